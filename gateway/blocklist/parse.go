package blocklist

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Counts are what a list has, by its lines.
type Counts struct {
	Names      int // to block, each with all names below it
	Exceptions int
	Ignored    int // lines of another form, and names that are none
}

const (
	maxLine  = 4096 // bytes; a longer line is ignored
	maxName  = 253  // bytes without the final dot (RFC 1035, section 2.3.4)
	maxLabel = 63
)

// Parse reads a list and calls see for each name: lower case, two labels or more, no
// final dot. Three forms may be mixed: lines of a hosts file that lead nowhere
// ("0.0.0.0 ads.example"), a domain on each line, and an ad blocker's lines for whole
// domains ("||ads.example^", and "@@||good.example^" for an exception). What else an
// ad blocker knows is about pages, and is counted as ignored.
func Parse(r io.Reader, see func(name string, exception bool)) (c Counts, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			c.Ignored++
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			line = nil
		}
		if err != nil && err != io.EOF {
			return c, err
		}
		if first {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		c.line(strings.TrimSpace(string(line)), see)
		if err == io.EOF {
			return c, nil
		}
	}
}

// line reads one line.
func (c *Counts) line(text string, see func(name string, exception bool)) {
	if text == "" || text[0] == '#' || text[0] == '!' || strings.HasPrefix(text, "[Adblock") {
		return
	}
	rest, exception := strings.CutPrefix(text, "@@")
	if pattern, ok := strings.CutPrefix(rest, "||"); ok {
		domain, ok := strings.CutSuffix(pattern, "^")
		c.name(domain, exception, ok, see)
		return
	}
	fields := strings.Fields(text)
	if comment := slices.IndexFunc(fields, func(f string) bool { return f[0] == '#' }); comment >= 0 {
		fields = fields[:comment]
	}
	if a, err := netip.ParseAddr(fields[0]); err == nil && len(fields) > 1 {
		for _, name := range fields[1:] {
			c.name(name, false, a.IsUnspecified() || a.IsLoopback(), see)
		}
		return
	}
	c.name(fields[0], false, len(fields) == 1, see)
}

// name counts what may be a name, and shows it if it is.
func (c *Counts) name(text string, exception, ok bool, see func(name string, exception bool)) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	switch {
	case !ok || !blockable(name):
		c.Ignored++
		return
	case exception:
		c.Exceptions++
	default:
		c.Names++
	}
	see(name, exception)
}

// blockable reports whether a name can be one of the internet: a whole top-level
// domain, an address or a name of the house is none.
func blockable(name string) bool {
	if len(name) > maxName || !strings.Contains(name, ".") {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
		last = label
	}
	return last != "arpa" && last != "onion" && strings.Trim(last, "0123456789") != ""
}
