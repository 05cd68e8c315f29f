package maildir

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func setup(t *testing.T) (dir, path string) {
	t.Helper()
	dir, path = filepath.Join(t.TempDir(), "Maildir"), filepath.Join(t.TempDir(), "body")
	if err := Ensure(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("Subject: x\r\n\r\nhello\r\n"), 0o660); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

func count(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestDeliveredOnce(t *testing.T) {
	dir, path := setup(t)
	name := Name(time.Unix(1700000000, 0), "abc", 21, false)
	for range 3 {
		if err := Deliver(dir, path, name, false); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, dir); n != 1 {
		t.Fatalf("%d files are there", n)
	}
	// A reader has seen it meanwhile.
	if err := os.Rename(filepath.Join(dir, "new", name), filepath.Join(dir, "cur", name+":2,S")); err != nil {
		t.Fatal(err)
	}
	if err := Deliver(dir, path, name, true); err != nil {
		t.Fatal(err)
	}
	if n := count(t, dir); n != 1 {
		t.Errorf("%d files are there after it was read", n)
	}
}

func TestCopyAcrossFileSystems(t *testing.T) {
	dir, path := setup(t)
	for range 2 {
		if err := copyTo(dir, path, "x"); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "new", "x"))
	if err != nil || len(got) != 21 {
		t.Errorf("read %d bytes (%v)", len(got), err)
	}
	if n := count(t, dir); n != 1 {
		t.Errorf("%d files are there", n)
	}
}

func TestFailureTellsNoName(t *testing.T) {
	dir, path := setup(t)
	if err := os.RemoveAll(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	err := Deliver(dir, path, "x", false)
	if err == nil || err.Error() != "delivering a message: no such file or directory" {
		t.Errorf("error %v", err)
	}
}

func TestUsage(t *testing.T) {
	dir, path := setup(t)
	if err := Ensure(filepath.Join(dir, ".Sent")); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"new/1.a.tunic,S=5000": "", "cur/4.d.tunic-strangers,S=1:2,S": "", "cur/2.b.tunic,S=20:2,S": "", ".Sent/cur/plain": "12345",
		"cur/odd,S=x": "12",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := Use{Others: 3*4096 + 8192, Strangers: 4096}
	if n, err := Usage(dir); err != nil || n != want {
		t.Errorf("Usage = %+v, %v, want %+v", n, err, want)
	}
	if n, err := Usage(filepath.Join(path, "none")); err != nil || n != (Use{}) {
		t.Errorf("Usage of nothing = %d, %v", n, err)
	}
}
