package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBuiltInProfiles(t *testing.T) {
	list, err := LoadProfiles(NewPaths(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ssh", "http", "https", "git", "nextcloud", "jellyfin", "homeassistant", "matrix", "mumble-tcp",
		"minecraft", "ipfs-gateway", "transmission-web", "yacy", "i2p-console", "freenet-fproxy", "9p", "vnc", "rdp", "rsync",
		"webdav", "radicale", "gitea", "immich", "photoprism", "paperless", "ipp", "smb"} {
		if _, err := FindProfile(list, name); err != nil {
			t.Error(err)
		}
	}
	for _, p := range list {
		if checkName(p.Name) != nil {
			t.Errorf("%q is no name for a file of one's own", p.Name)
		}
		if p.Web() != (p.Trust != "") && p.Name != "ipp" {
			t.Errorf("%s: web profiles say which names to trust, and no others", p.Name)
		}
		if p.Web() && strings.Contains(p.Visit, ":80/") || !strings.Contains(p.Visit, "{host}") || !strings.HasPrefix(p.Docs, "https://") {
			t.Errorf("%s: visit %q, docs %q", p.Name, p.Visit, p.Docs)
		}
		if key := strings.Repeat("a", 56); strings.Contains(p.TrustAs(key), "KEY.") || strings.Contains(p.VisitAs(key+".onion"), "{") {
			t.Errorf("%s: %s, %s", p.Name, p.TrustAs(key), p.VisitAs(key))
		}
	}
}

func TestPortTarget(t *testing.T) {
	p := Profile{Port: 80, Target: 8096}
	for where, want := range map[string]string{
		"192.168.1.20":         "80=192.168.1.20:8096",
		"192.168.1.20:80":      "80=192.168.1.20:80",
		"fd77::20":             "80=[fd77::20]:8096",
		"[fd77::20]":           "80=[fd77::20]:8096",
		"[fd77::20]:1":         "80=[fd77::20]:1",
		"nas.lan":              "80=nas.lan:8096",
		"unix:/run/x.sock":     "80=unix:/run/x.sock",
		"endpoint:gopher":      "80=endpoint:gopher",
		"8080=192.168.1.20:80": "8080=192.168.1.20:80",
	} {
		if got := p.PortTarget(where); got != want {
			t.Errorf("PortTarget(%q) = %q, want %q", where, got, want)
		}
	}
}

func TestUnknownProfilesHaveNeighbours(t *testing.T) {
	list, err := LoadProfiles(NewPaths(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"jelyfin": "did you mean jellyfin?", "transmission": "did you mean transmission-web?", "mumble": "did you mean mumble-tcp?",
		"sshd": "did you mean ssh?", "zzz": "`tunic profiles`", "paperless-ngx": "did you mean paperless?",
	} {
		_, err := FindProfile(list, word)
		var e Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Hint, want) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func writeAll(t *testing.T, files map[string]string) Paths {
	t.Helper()
	p := NewPaths(t.TempDir())
	for name, text := range files {
		path := filepath.Join(p.Etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

const wiki = `title = "Our wiki"
port = 8000
target = 3000
probe = "http"
visit = "http://{host}:8000/"
danger = "everybody may edit"
`

func TestProfilesOfOnesOwn(t *testing.T) {
	p := writeAll(t, map[string]string{
		"tunic.toml":         "[household]\ninterfaces = [\"br-lan\"]\n",
		"profiles/wiki.toml": wiki, "profiles/ssh.toml": strings.Replace(wiki, "Our wiki", "My SSH", 1),
		"onions/pages.toml": "as = \"wiki\"\n[ports]\n8000 = \"192.168.1.20:3000\"\n22 = \"192.168.1.20:22\"\n9 = \"192.168.1.20:9\"\n",
	})
	list, err := LoadProfiles(p)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(list, func(p Profile) bool { return p.Name == "ssh" }); list[i].Title != "My SSH" {
		t.Errorf("the built-in profile won: %+v", list[i])
	}
	c, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Profiles) != 1 || c.Profiles[0].Name != "wiki" || c.Onions[0].As != "wiki" {
		t.Errorf("%+v, %+v", c.Profiles, c.Onions)
	}
	for port, want := range map[uint16]string{8000: "http", 22: "ssh?", 9: "tcp?"} {
		kind, guessed := c.ProbeFor(c.Onions[0], port)
		if guessed {
			kind += "?"
		}
		if kind != want {
			t.Errorf("port %d is probed as %s", port, kind)
		}
	}
	again, err := parseOnion("pages", "x", []byte(c.Onions[0].TOML()))
	if err != nil || again.As != "wiki" {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestMistakesInProfiles(t *testing.T) {
	p := writeAll(t, map[string]string{
		"tunic.toml":          "[household]\ninterfaces = [\"br-lan\"]\n",
		"profiles/a.toml":     "titel = \"x\"\nport = 0\ntarget = \"x\"\nprobe = \"htp\"\nvisit = \"a\\nb\"\ndanger = 7\n",
		"onions/pages.toml":   "as = \"jelyfin\"\n[ports]\n80 = \"192.168.1.20:80\"\n",
		"onions/numbers.toml": "as = 7\n[ports]\n80 = \"192.168.1.20:80\"\n",
	})
	_, err := Load(p)
	for _, want := range []string{"titel: unknown key", "title: missing", "port: 0 is no port", "target: must be a number",
		`"htp" is no protocol`,
		"visit: must be one line", "danger: must be text", `pages.toml:1: as: no profile is called "jelyfin"`, "did you mean jellyfin?",
		"numbers.toml:1: as: must be text"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}
