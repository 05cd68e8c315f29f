package parts

import (
	"bufio"
	"bytes"
	"crypto/rand"
	gohtml "html"
	"io"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// maxPictures is how many identifiers a mail may have: they are held all together.
const maxPictures = 10_000

// bracketed is an identifier in its brackets; what is in them is for id to judge.
var bracketed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`<([^<>\s]{1,500})>`)
})

// pictures are the identifiers of a body's parts (RFC 2392), and of whatever looks
// like a part.
func pictures(body *bufio.Reader) (map[string]string, error) {
	ids := make(map[string]string)
	for named := false; ; {
		line, err := body.ReadString('\n')
		if err == io.EOF {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		if line[0] != ' ' && line[0] != '\t' {
			named = strings.HasPrefix(strings.ToLower(line), "content-id:")
		}
		if id := bracketed().FindStringSubmatch(line); named && id != nil {
			ids[id[1]] = ""
		}
		if len(ids) > maxPictures {
			return nil, errShape
		}
	}
}

// id is what a picture is called outside, each time the same.
func (x *rewriter) id(id string) string {
	if x.Keep(id) {
		return id
	}
	if x.ids[id] == "" {
		x.ids[id] = rand.Text() + "@" + x.Domain
	}
	return x.ids[id]
}

// reference is how HTML shows a picture of the same mail (RFC 2392).
var reference = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\bcid:((?:[^"'<>\s)&]|&(?:amp|#[0-9]{1,7}|#x[0-9a-f]{1,6});)+)`)
})

// page is a page of HTML with the names of its pictures changed.
func (x *rewriter) page(raw []byte, encoding string) ([]byte, error) {
	text := raw
	var decoded bytes.Buffer
	if w := decoder(encoding, &decoded); w != nil {
		w.Write(raw)
		text = decoded.Bytes()
	}
	changed := reference().ReplaceAllFunc(text, x.refer)
	switch {
	case len(x.ids) > maxPictures:
		return nil, errShape
	case bytes.Equal(changed, text):
		return raw, nil
	case x.sealed:
		return nil, errSealed
	}
	return encode(changed, encoding), nil
}

// refer changes "cid:" and an identifier. Without "@" it may be anything, unless
// a part is called so.
func (x *rewriter) refer(found []byte) []byte {
	id := gohtml.UnescapeString(string(found[len("cid:"):]))
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	_, known := x.ids[id]
	if !known && !strings.Contains(id, "@") {
		return found
	}
	if outside := x.id(id); outside != id {
		return []byte("cid:" + outside)
	}
	return found
}
