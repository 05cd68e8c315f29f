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

// uploaded are the files that users of a box have shared, whole or in part.
func (b *box) uploaded() []string {
	paths, _ := filepath.Glob(filepath.Join(b.conf.Data, "*", "http_file_share", "*.bin*"))
	return paths
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
	if first, last := request(t, a, "GET", own[0], "", nil), request(t, a, "GET", own[29], "", nil); first == http.StatusOK ||
		last != http.StatusOK {
		t.Errorf("of the greedy one's, the first and the last: %d, %d", first, last)
	}
	size := int64(0)
	for _, path := range a.uploaded() {
		if info, err := os.Stat(path); err == nil {
			size += info.Size()
		}
	}
	if size == 0 || size > 2*mb {
		t.Errorf("the files have %d bytes", size)
	}
}

// TestFilesWithoutOwner: a file whose line in the list went when the server
// crashed, or before the file was there, is removed when it starts; others stay.
func TestFilesWithoutOwner(t *testing.T) {
	a, _, _ := boxes(t)
	a.edit = func(text string) string {
		return regexp.MustCompile(`tunic_files_bytes = \d+`).ReplaceAllString(text, "tunic_files_bytes = 1048576")
	}
	module := a.dir + "/modules/mod_storage_tunic.lua"
	whole, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	const between = "	for _, entry in ipairs(gone) do discard"
	crashing := strings.Replace(string(whole), between, "	os.exit(9, false);\n"+between, 1)
	if crashing == string(whole) {
		t.Fatal("the module does not remove files where this test has it crash")
	}
	if err := os.WriteFile(module, []byte(crashing), 0o644); err != nil {
		t.Fatal(err)
	}
	a.start()
	alices := a.login("alice")
	var paths []string
	for i := range 5 {
		path, refused := upload(t, a, alices, fmt.Sprint("film", i), 200<<10)
		if refused != "" {
			t.Fatal(refused)
		}
		paths = append(paths, path)
	}
	alices.say("<iq type='get' to='%s' id='q'><request xmlns='urn:xmpp:http:upload:0' filename='last' size='%d'/></iq>",
		Files(hostA), 200<<10)
	if err := a.cmd.Wait(); a.cmd.ProcessState.ExitCode() != 9 {
		t.Fatalf("the server has not crashed: %v", err)
	}
	a.cmd = nil
	files := a.uploaded()
	if len(files) != 5 {
		t.Fatalf("after the crash there are %d files", len(files))
	}
	for _, name := range []string{"part.bin~", "stray.bin"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(files[0]), name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(module, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	a.own()
	a.start()
	a.login("alice")
	for i, path := range paths {
		if code := request(t, a, "GET", path, "", nil); (code == http.StatusOK) != (i > 1) {
			t.Errorf("film %d: %d", i, code)
		}
	}
	if left := a.uploaded(); len(left) != 3 {
		t.Errorf("%d files are left: %v", len(left), left)
	}
}
