package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func lan(addr string) Target { return Target{Addr: netip.MustParseAddrPort(addr)} }

func TestWriteOnion(t *testing.T) {
	tests := []struct {
		onion Onion
		want  string // of the file
	}{
		{Onion{Name: "photos", Ports: []Port{{22, lan("192.168.77.20:22")}, {80, lan("[fd77::20]:8080")}}},
			"[ports]\n22 = \"192.168.77.20:22\"\n80 = \"[fd77::20]:8080\"\n"},
		{Onion{Name: "home", Public: true, Ports: []Port{{70, Target{Endpoint: "gopher"}}}},
			"public = true\n\n[ports]\n70 = \"endpoint:gopher\"\n"},
		{Onion{Name: "s", Ports: []Port{{1, Target{Unix: `/srv/a "quoted" \ back=slash`}}}},
			"[ports]\n1 = \"unix:/srv/a \\\"quoted\\\" \\\\ back=slash\"\n"},
		{Onion{Name: "home"}, "[ports]\n"},
		{Onion{Name: "c", Certificates: "/srv/c/tls", Ports: []Port{{80, lan("192.168.77.20:80")}}},
			"certificates = \"/srv/c/tls\"\n\n[ports]\n80 = \"192.168.77.20:80\"\n"},
	}
	for _, tt := range tests {
		p := newBox(t, map[string]string{"endpoints/gopher.toml": `root = "$ROOT/srv"`})
		for range 2 { // the second time there is nothing to do
			if err := WriteOnion(p, tt.onion); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(p.OnionDir(), tt.onion.Name+".toml")
		text, err := os.ReadFile(path)
		if err != nil || string(text) != tt.want {
			t.Errorf("file of %+v: %q, %v; want %q", tt.onion, text, err, tt.want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode of the file: %v, %v", info.Mode(), err)
		}
		cfg, err := Load(p)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(cfg.Onions, []Onion{tt.onion}) {
			t.Errorf("loaded %+v, written %+v", cfg.Onions, tt.onion)
		}
		if names, _ := filepath.Glob(filepath.Join(p.OnionDir(), ".*")); len(names) > 0 {
			t.Errorf("left behind: %q", names)
		}
	}
}

func TestWriteOnionSortsPorts(t *testing.T) {
	p := newBox(t, nil)
	ports := []Port{{80, lan("10.0.0.1:80")}, {22, lan("10.0.0.1:22")}}
	if err := WriteOnion(p, Onion{Name: "x", Ports: ports}); err != nil {
		t.Fatal(err)
	}
	if ports[0].Virtual != 80 {
		t.Error("the caller's ports were sorted")
	}
	cfg, err := Load(p)
	if err != nil || cfg.Onions[0].Ports[0].Virtual != 22 {
		t.Errorf("loaded %+v, %v", cfg, err)
	}
}

func TestWriteOnionKeepsWhatIsThere(t *testing.T) {
	const byHand = "# for grandma\n[ports]\n80 = '10.0.0.1:80' # the old box\n"
	p := newBox(t, map[string]string{"onions/photos.toml": byHand, "onions/broken.toml": "[ports\n"})
	if err := WriteOnion(p, Onion{Name: "photos", Ports: []Port{{80, lan("10.0.0.1:80")}}}); err != nil {
		t.Errorf("writing what the file says already: %v", err)
	}
	if err := WriteOnion(p, Onion{Name: "photos", Ports: []Port{{80, lan("10.0.0.2:80")}}}); !errors.Is(err, ErrExists) {
		t.Errorf("writing something else: %v, want ErrExists", err)
	}
	if err := WriteOnion(p, Onion{Name: "broken", Ports: []Port{{80, lan("10.0.0.2:80")}}}); !errors.Is(err, ErrExists) {
		t.Errorf("writing over a broken file: %v, want ErrExists", err)
	}
	if text, err := os.ReadFile(filepath.Join(p.OnionDir(), "photos.toml")); string(text) != byHand {
		t.Errorf("the file was changed: %q, %v", text, err)
	}
}

func TestWriteOnionRefuses(t *testing.T) {
	ok := []Port{{80, lan("10.0.0.1:80")}}
	tests := []struct {
		onion Onion
		want  string
	}{
		{Onion{Name: "../x", Ports: ok}, "not a valid name"},
		{Onion{Name: "Photos", Ports: ok}, "upper-case"},
		{Onion{Name: "", Ports: ok}, "not a valid name"},
		{Onion{Name: "photos"}, "missing"},
		{Onion{Name: "photos", Public: true, Ports: ok}, "only home.toml"},
		{Onion{Name: "photos", Ports: []Port{ok[0], ok[0]}}, "a second time"},
		{Onion{Name: "photos", Ports: []Port{{80, Target{}}}}, "is not a target"},
		{Onion{Name: "photos", Ports: []Port{{0, ok[0].Target}}}, "no port"},
		{Onion{Name: "photos", Ports: []Port{{80, Target{Unix: "/a\nb"}}}}, "not closed"},
		{Onion{Name: "photos", Ports: []Port{{80, Target{Unix: "a"}}}}, "does not begin with /"},
	}
	for _, tt := range tests {
		p := newBox(t, nil)
		if err := WriteOnion(p, tt.onion); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("WriteOnion(%+v) = %v, want %q in it", tt.onion, err, tt.want)
		}
		if _, err := os.Stat(p.OnionDir()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("WriteOnion(%+v) failed but made something", tt.onion)
		}
	}
}

func TestRemoveOnion(t *testing.T) {
	const text = "# mine\n[ports]\n80 = \"10.0.0.1:80\"\n"
	p := newBox(t, map[string]string{"onions/photos.toml": text})
	if err := RemoveOnion(p, "photos"); err != nil {
		t.Error(err)
	}
	if err := RemoveOnion(p, "photos"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("RemoveOnion again = %v, want fs.ErrNotExist", err)
	}
	if err := RemoveOnion(p, "../tunic"); err == nil {
		t.Error("RemoveOnion takes a path for a name")
	}
	if _, err := Load(p); err != nil {
		t.Errorf("Load afterwards: %v", err)
	}
}

func TestEditFailures(t *testing.T) {
	o := Onion{Name: "photos", Ports: []Port{{80, lan("10.0.0.1:80")}}}
	p := newBox(t, map[string]string{"onions": "a file in the way\n"})
	if err := WriteOnion(p, o); err == nil || !strings.Contains(err.Error(), p.OnionDir()) {
		t.Errorf("WriteOnion below a file = %v", err)
	}
	p = newBox(t, map[string]string{"onions/photos.toml/x": ""})
	if err := WriteOnion(p, o); err == nil || errors.Is(err, ErrExists) {
		t.Errorf("WriteOnion over a directory = %v", err)
	}
	if err := RemoveOnion(p, o.Name); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("RemoveOnion of a directory = %v", err)
	}
	path := filepath.Join(p.OnionDir(), "photos.toml")
	if err := writeFile(path, []byte("x")); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if names, _ := filepath.Glob(filepath.Join(p.OnionDir(), ".*")); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}
