package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	aliceKey    = "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd" // from the rend-spec-v3 test of tor
	aliceClient = "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA"
)

func loadPeer(t *testing.T, name, text string) (*Config, error) {
	t.Helper()
	p := NewPaths(t.TempDir())
	for path, text := range map[string]string{p.Main(): okMain, filepath.Join(p.PeerDir(), name+".toml"): text} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Load(p)
}

func alice() Peer {
	return Peer{Name: "alice", Onion: aliceKey, ClientKey: aliceClient, Since: time.Date(2026, 11, 25, 23, 0, 0, 0, time.UTC)}
}

func TestLoadPeer(t *testing.T) {
	c, err := loadPeer(t, "alice", alice().TOML())
	if err != nil || len(c.Peers) != 1 || c.Peers[0].Onion != aliceKey || c.Peers[0].ClientKey != aliceClient ||
		!c.Peers[0].Since.Equal(alice().Since) {
		t.Fatalf("loaded %+v, %v", c, err)
	}
	if c, err := loadPeer(t, "alice", "onion = '"+strings.ToUpper(aliceKey)+".onion'\nclient='"+strings.ToLower(aliceClient)+
		"'"); err != nil || c.Peers[0].Onion != aliceKey {
		t.Fatalf("other spellings: %+v, %v", c, err)
	}
}

func TestPeerMistakes(t *testing.T) {
	for name, want := range map[string]string{
		"":                                "onion: missing",
		"onion = 'x'":                     `onion: "x" is no onion address`,
		"onion = 'a" + aliceKey[1:] + "'": "its checksum is wrong",
		"client = 'x'":                    `client: "x" is no x25519 public key`,
		"since = 'yesterday'":             "since: must be a time",
		"mail = true":                     "mail: unknown key",
	} {
		if _, err := loadPeer(t, "alice", name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	if _, err := loadPeer(t, "rooms", alice().TOML()); err == nil || !strings.Contains(err.Error(), "has another meaning") {
		t.Errorf("a reserved name: %v", err)
	}
}

func TestPetnames(t *testing.T) {
	for name, ok := range map[string]bool{
		"alice": true, "a": true, "7": true, "alice-2": true, strings.Repeat("a", 30): true,
		"": false, "Alice": false, "-a": false, "a-": false, "a_b": false, "xn--bcher-kva": false, "box": false, "all": false,
		"mail": false, "www": false, "rooms": false, strings.Repeat("a", 31): false, "a.b": false, "älice": false, "../x": false,
	} {
		if err := CheckPetname(name); (err == nil) != ok {
			t.Errorf("CheckPetname(%q) = %v", name, err)
		}
	}
}

func TestPeerTwice(t *testing.T) {
	p := NewPaths(t.TempDir())
	if err := writeFile(p.Main(), []byte(okMain)); err != nil {
		t.Fatal(err)
	}
	bob := alice()
	bob.Name = "bob"
	if err := errors.Join(WritePeer(p, alice()), WritePeer(p, bob)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p); err == nil || !strings.Contains(err.Error(), "is also the onion in peers/alice.toml") {
		t.Errorf("one onion in two files: %v", err)
	}
}

func TestEditPeer(t *testing.T) {
	p := NewPaths(t.TempDir())
	path := filepath.Join(p.PeerDir(), "alice.toml")
	if err := WritePeer(p, alice()); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append([]byte("# from the chess club\n"), text...), 0o644); err != nil {
		t.Fatal(err)
	}
	other := alice()
	other.ClientKey = "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"
	if err := WritePeer(p, other); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !strings.HasPrefix(string(text), "# from the chess club\n") ||
		!strings.Contains(string(text), other.ClientKey) {
		t.Errorf("after a change: %s", text)
	}
	bob := alice()
	bob.Name = "bob"
	if err := WritePeer(p, bob); err != nil {
		t.Fatal(err)
	}
	if err := RenamePeer(p, "alice", "bob"); !errors.Is(err, ErrExists) {
		t.Errorf("a taken name: %v", err)
	}
	if err := RenamePeer(p, "carol", "dave"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody: %v", err)
	}
	if err := RenamePeer(p, "alice", "ali"); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(p.PeerDir(), "ali.toml")); err != nil || !strings.HasPrefix(string(text), "# from") {
		t.Errorf("renamed: %q, %v", text, err)
	}
	if err := RemovePeer(p, "ali"); err != nil {
		t.Error(err)
	}
	if err := RemovePeer(p, "ali"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	if err := RemovePeer(p, "../tunic"); err == nil {
		t.Error("a path was taken for a name")
	}
	if err := WritePeer(p, Peer{Name: "eve", Onion: "x"}); err == nil {
		t.Error("an impossible peer was written")
	}
}
