package supervise

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What comes is read when it comes, all of it, until the end or a deadline.
func TestQuietly(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	r, b := quietly(from), make([]byte, 4)
	if _, raw := r.(pipe); !raw {
		t.Fatalf("a pipe is read as %T", r)
	}
	for _, text := range []string{"one", "four"} {
		time.AfterFunc(5*time.Millisecond, func() { to.WriteString(text) })
		if n, err := r.Read(b); string(b[:n]) != text || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("into nothing: %d, %v", n, err)
	}
	from.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	if n, err := r.Read(b); n != 0 || !os.IsTimeout(err) {
		t.Errorf("at a deadline: %d, %v", n, err)
	}
	from.SetReadDeadline(time.Time{})
	long := strings.Repeat("x", 100000)
	go func() {
		to.WriteString(long)
		to.Close()
	}()
	if all, err := io.ReadAll(r); string(all) != long || err != nil {
		t.Errorf("%d bytes, %v", len(all), err)
	}
}

// A file that cannot be waited for is read as any.
func TestQuietlyOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if all, err := io.ReadAll(quietly(f)); string(all) != "text" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}
