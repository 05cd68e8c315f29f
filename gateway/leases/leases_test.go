package leases

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sample = `1795474800 02:00:00:0A:00:10 192.168.77.10 Phone 01:02:00:00:0a:00:10
1795474801 06-02:00:00:0a:00:11 192.168.77.11 my_laptop.lan *
1795474802 02:00:00:0a:00:12 192.168.77.12 * *
duid 00:01:00:01:2a:aa:aa:aa:02:00:00:0a:00:01
1795474803 7 fd77::10 phone 00:01:00:01:2a:aa:aa:aa:02:00:00:0a:00:10
1795474804 02:00:00:0a:00:13 192.168.77.13 $(reboot) *
1795474805 nonsense 192.168.77.14 x *
`

func TestParse(t *testing.T) {
	got, err := Parse(strings.NewReader(sample))
	want := []Lease{
		{"02:00:00:0a:00:10", netip.MustParseAddr("192.168.77.10"), "phone"},
		{"02:00:00:0a:00:11", netip.MustParseAddr("192.168.77.11"), "my-laptop"},
		{"02:00:00:0a:00:12", netip.MustParseAddr("192.168.77.12"), ""},
		{"02:00:00:0a:00:13", netip.MustParseAddr("192.168.77.13"), ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRead(t *testing.T) {
	root := t.TempDir()
	paths := Paths(root)
	if list, err := Read(paths); err != nil || len(list) != 0 {
		t.Fatalf("no files: %v, %v", list, err)
	}
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(sample), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := Read(paths); err != nil || len(list) != 12 {
		t.Errorf("three files: %d leases, %v", len(list), err)
	}
	if err := os.Chmod(paths[1], 0o666); err != nil {
		t.Fatal(err)
	}
	if list, err := Read(paths); err == nil || len(list) != 8 {
		t.Errorf("one that all may write: %d leases, %v", len(list), err)
	}
	if err := os.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(paths[0], paths[1]); err != nil {
		t.Fatal(err)
	}
	if list, err := Read(paths); err == nil || len(list) != 8 {
		t.Errorf("a link: %d leases, %v", len(list), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("1 02:00:00:00:00:01 ::ffff:1.2.3.4 - -")
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := Parse(strings.NewReader(text))
		for _, l := range list {
			if len(l.MAC) != 17 || !l.Addr.IsValid() || l.Addr.Is4In6() || l.Name != "" && !name.MatchString(l.Name) {
				t.Errorf("%q gives %+v", text, l)
			}
		}
	})
}
