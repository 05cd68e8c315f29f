//go:build lab

package xmpp

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var slotURL = regexp.MustCompile(`<put url='([^']*)'[^>]*>.*Bearer ([^<]*)<`)

// upload shares a file and returns its path, or why there is no place for it.
func upload(t *testing.T, b *box, c *client, name string, size int) (path, refused string) {
	t.Helper()
	answer := c.ask("get", Files(b.conf.Host), fmt.Sprintf("<request xmlns='urn:xmpp:http:upload:0' filename='%s' size='%d'/>", name, size))
	slot := slotURL.FindStringSubmatch(strings.ReplaceAll(answer.Inner, `"`, "'"))
	if slot == nil {
		return "", answer.Inner
	}
	_, path, _ = strings.Cut(strings.TrimPrefix(slot[1], "https://"), "/")
	code := request(t, b, "PUT", "/"+path, "Bearer "+slot[2], strings.NewReader(strings.Repeat("x", size)))
	if code != http.StatusCreated {
		t.Errorf("uploading %s: %d", name, code)
	}
	return "/" + path, ""
}

func request(t *testing.T, b *box, method, path, auth string, body io.Reader) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s:%d%s", b.addr, b.conf.FilesPort, path), body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = b.conf.Host
	r.Header.Set("Authorization", auth)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// TestFilesShare: one user who shares files all the time loses the oldest of them;
// twenty others have place, and their files stay.
func TestFilesShare(t *testing.T) {
	a, _, _ := boxes(t)
	names := ordinary(a)
	a.own()
	a.edit = func(text string) string {
		return regexp.MustCompile(`tunic_files_bytes = \d+`).ReplaceAllString(text, "tunic_files_bytes = 2097152")
	}
	a.start()
	var paths []string
	share := func(users []string) {
		for _, name := range users {
			path, refused := upload(t, a, a.login(name), "picture", 20<<10)
			if refused != "" {
				t.Errorf("%s is refused: %s", name, refused)
			}
			paths = append(paths, path)
		}
	}
	share(names[:10])
	greedy := a.login("alice")
	var own []string
	for i := range 30 {
		path, refused := upload(t, a, greedy, fmt.Sprint("film", i), 200<<10)
		if refused != "" {
			t.Fatalf("film %d is refused: %s", i, refused)
		}
		own = append(own, path)
	}
	share(names[10:])
	for i, path := range paths {
		if code := request(t, a, "GET", path, "", nil); code != http.StatusOK {
			t.Errorf("the picture of %s: %d", names[i], code)
		}
	}
	if first, last := request(t, a, "GET", own[0], "", nil), request(t, a, "GET", own[29], "", nil); first == http.StatusOK || last != http.StatusOK {
		t.Errorf("of the greedy one's, the first and the last: %d, %d", first, last)
	}
	size := int64(0)
	_ = filepath.Walk(a.conf.Data, func(path string, info os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(path, ".bin") {
			size += info.Size()
		}
		return nil
	})
	if size == 0 || size > 2*mb {
		t.Errorf("the files have %d bytes", size)
	}
}
