package gateway

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/irc"
	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/peer"
	"tunic/rules"
)

func (h *house) server(name string) (managed.Spec, bool) {
	h.fakes.mu.Lock()
	defer h.fakes.mu.Unlock()
	i := slices.IndexFunc(h.specs, func(s managed.Spec) bool { return s.Name == name })
	if i < 0 {
		return managed.Spec{}, false
	}
	return h.specs[i], true
}

// text is one of a server's files.
func text(s managed.Spec, name string) string {
	for _, f := range s.Files {
		if filepath.Base(f.Path) == name {
			return f.Text
		}
	}
	return ""
}

func TestXMPP(t *testing.T) {
	a, b := twoFriends(t)
	a.write(t, "endpoints/xmpp.toml", "")
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.people.AddUser(t.Context(), api.UserRequest{Name: "bob", Password: chips}); err != nil {
		t.Fatal(err)
	}
	a.settle(t)
	host, friend := string(a.addressOf())+config.PeerDomain, string(b.addressOf())
	s, ok := a.server("prosody")
	if !ok {
		t.Fatal("there is no Prosody")
	}
	conf := text(s, "prosody.cfg.lua")
	for _, want := range []string{`VirtualHost "` + host + `"`, `["` + friend + config.PeerDomain + `"] = "` + friend + `.onion"`,
		`["rooms.` + friend + config.PeerDomain + `"] = "` + friend + `.onion"`, `admins = { "bob@` + host + `" }`,
		"c2s_ports = { 9422 }"} {
		if !strings.Contains(conf, want) {
			t.Errorf("there is no %s in\n%s", want, conf)
		}
	}
	if !strings.Contains(text(s, "key.pem"), "PRIVATE KEY") || text(s, "mod_tunic_queue.lua") == "" {
		t.Error("Prosody has no key, or not our module")
	}
	accounts := filepath.Join(a.Paths.XMPP(), strings.ReplaceAll(host, ".", "%2e"), "accounts")
	if got, err := os.ReadFile(filepath.Join(accounts, "bob.dat")); err != nil || !strings.Contains(string(got), "stored_key") {
		t.Errorf("bob's account: %q, %v", got, err)
	}
	home := a.home()
	if !slices.Contains(home.Ports, config.XMPPServerPort) || !slices.Contains(home.Ports, config.FilesPort) ||
		slices.Contains(home.Ports, config.XMPPPort) {
		t.Errorf("home has the ports %v", home.Ports)
	}
	if behind := a.told().Terminators; !slices.ContainsFunc(behind,
		func(b link.Terminator) bool { return b.Name == "files" && b.TLS && b.Onion && len(b.Listeners) == 2 }) ||
		!slices.ContainsFunc(behind, func(b link.Terminator) bool { return b.Name == "xmpp" && !b.TLS && !b.Onion && !b.Proxy }) {
		t.Errorf("serve has %+v", behind)
	}
	in := a.snapshot().desired.Rules
	if !slices.ContainsFunc(in.Children, func(c rules.Child) bool { return c.UID == a.Users.XMPP.UID }) ||
		!slices.Contains(in.Services, rules.Service{Name: "xmpp", Public: 5222, Internal: config.ServeXMPPPort}) {
		t.Errorf("the rules have %+v, %v", in.Services, in.Children)
	}

	// A friend who comes back is a reason to try at once, if there is anything to
	// try; any other hello leaves Prosody as it is.
	hello := func() string {
		t.Helper()
		a.friends.Now = func() func() time.Time {
			next := a.friends.Now().Add(2 * peer.HelloEvery)
			return func() time.Time { return next }
		}()
		a.friends.Met(t.Context(), link.Seen{Onion: link.Key(peer.KeyOf(b.addressOf()))})
		a.settle(t)
		s, _ := a.server("prosody")
		return text(s, "prosody.cfg.lua")
	}
	conf = hello() // that fakes has not spoken before
	for range 20 {
		if hello() != conf {
			t.Fatal("a hello for which nothing waits reloads Prosody")
		}
	}
	queue := filepath.Join(filepath.Dir(accounts), "tunic_queue")
	if err := os.Mkdir(queue, 0o700); err != nil {
		t.Fatal(err)
	}
	waiting := filepath.Join(queue, friend+"%2epeer%2ehome%2earpa.list")
	if err := os.WriteFile(waiting, []byte("item({})"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := hello()
	if again == conf {
		t.Error("Prosody does not hear of a friend who is back")
	}
	if err := os.Remove(waiting); err != nil {
		t.Fatal(err)
	}
	if hello() != again {
		t.Error("Prosody is reloaded once more when nothing waits")
	}
	if want := "ask again " + string(b.addressOf()); !strings.Contains(a.took(), want) {
		t.Errorf("%q was not done", want)
	}
	if err := a.people.RemoveUser(t.Context(), api.UserRequest{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	a.settle(t)
	if left, _ := filepath.Glob(accounts + "/*"); len(left) > 0 {
		t.Errorf("of bob there is %v", left)
	}
}

func TestIRC(t *testing.T) {
	h := newHouse(t, map[string]string{"endpoints/irc.toml": "motd = \"\"\"Hello\nthere\"\"\"\n" +
		"[[channel]]\nname = \"#home\"\ntopic = \"the kitchen table\"\n"})
	h.running(t)
	s, ok := h.server("ngircd")
	if !ok {
		t.Fatal("there is no ngIRCd")
	}
	conf := text(s, "ngircd.conf")
	if !strings.Contains(conf, "Name = #home") || !strings.Contains(conf, "Topic = the kitchen table") ||
		text(s, "motd") != "Hello\nthere\n" {
		t.Errorf("its files are %+v", s.Files)
	}
	secrets, err := irc.Secrets(h.Paths)
	if err != nil || !strings.Contains(conf, "CloakHostSalt = "+secrets.Salt+"\n") || secrets.Salt == secrets.Operator ||
		len(secrets.Salt) < 20 {
		t.Errorf("secrets: %v", err)
	}
	if info, err := os.Stat(h.Paths.IRCSecrets()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	names := make(map[string]uint16)
	for _, r := range h.snapshot().desired.Rules.Services {
		names[r.Name] = r.Public
	}
	if names["irc"] != 6667 || names["ircs"] != 6697 {
		t.Errorf("the household has the services %v", names)
	}
}

func TestNoUserNoChat(t *testing.T) {
	h := newHouse(t, map[string]string{"endpoints/irc.toml": "", "endpoints/xmpp.toml": ""})
	h.Users.XMPP, h.Users.IRC = feature.IDs{}, feature.IDs{}
	h.running(t)
	if len(h.specs) > 0 || !slices.Contains(h.codes(t), "server-missing") {
		t.Errorf("%v, %v", h.specs, h.codes(t))
	}
}

// The household's own server is published instead of one of the box's.
func TestHandOver(t *testing.T) {
	h := newHouse(t, map[string]string{"endpoints/irc.toml": "server = \"192.168.77.20:6667\"\n",
		"endpoints/xmpp.toml":   "[server]\nto = \"192.168.77.20:5269\"\nproxy = \"v1\"\n",
		"endpoints/smtp.toml":   "server = \"192.168.77.20:25\"\n",
		"endpoints/gopher.toml": "server = \"192.168.77.20:70\"\n", "onions/home.toml": "public = true\n"})
	h.running(t)
	if len(h.specs) > 0 {
		t.Errorf("servers: %v", h.specs)
	}
	d := h.told()
	if d.Mail != nil || d.Gopher != nil || len(d.Terminators) > 0 {
		t.Errorf("serve has %+v", d)
	}
	ports := make(map[uint16]string)
	for _, f := range d.Fronts {
		for _, p := range f.Ports {
			ports[p.Virtual] = p.Addr.String() + p.Proxy
		}
	}
	for virtual, want := range map[uint16]string{6667: "192.168.77.20:6667", 5269: "192.168.77.20:5269v1", 25: "192.168.77.20:25",
		70: "192.168.77.20:70"} {
		if ports[virtual] != want {
			t.Errorf("port %d leads to %s, not %s", virtual, ports[virtual], want)
		}
	}
}
