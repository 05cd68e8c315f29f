package gateway

import (
	"crypto/ed25519"
	"os"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/rules"
)

// mailInputs are inputs of a box with mail, a friend and a group.
func mailInputs(strangers bool) Inputs {
	in := inputs()
	in.Config.Endpoints = append(in.Config.Endpoints, config.Endpoint{Name: "smtp", SMTP: config.SMTP{Strangers: strangers, MaxSize: 1000, Quota: 2000}})
	in.Config.Peers = []config.Peer{{Name: "alice", Onion: "aaa2"}}
	in.Config.Groups = []config.Group{{Name: "choir", Title: "Choir", Members: []config.Member{{Local: "bob", Petname: "alice"}, {Local: "ann"}, {Local: "eve", Onion: "eee2"}}}}
	in.Former = former([]OldAddress{{Onion: "home", Address: "bbb0"}, {Onion: "photos", Address: "ppp0"}})
	in.Addresses["mail-strangers"] = "ssss"
	return in
}

func TestDesiredMail(t *testing.T) {
	d := desire(mailInputs(true))
	m := d.Serve.Mail
	if m == nil || m.Home != "bbbb" || m.Strangers != "ssss" || !slices.Equal(m.Former, []string{"bbb0"}) || m.MaxSize != 1000 || m.Quota != 2000 {
		t.Fatalf("mail is %+v", m)
	}
	if !slices.Equal(m.Friends, []link.MailFriend{{Name: "alice", Key: "aaa2"}}) {
		t.Errorf("friends are %v", m.Friends)
	}
	if want := []string{"bob@aaa2.peer.home.arpa", "ann@bbbb.peer.home.arpa", "eve@eee2.peer.home.arpa"}; len(m.Groups) != 1 || !slices.Equal(m.Groups[0].Members, want) {
		t.Errorf("groups are %v", m.Groups)
	}
	if len(m.Listeners) != 2 || !slices.ContainsFunc(d.Rules.Services, func(s rules.Service) bool { return s.Name == "submission" && s.Public == 587 }) {
		t.Errorf("listeners %v, services %v", m.Listeners, d.Rules.Services)
	}
	if names := frontNames(d); !slices.Contains(names, "mail-strangers") || !slices.Contains(names, "home") {
		t.Errorf("published: %v", names)
	}
	for _, o := range d.Tor.Onions {
		if open := o.Clients == nil; open != (o.Name == "mail-strangers" || o.Name == "photos") {
			t.Errorf("the onion %s is for %v", o.Name, o.Clients)
		}
	}
	d = desire(mailInputs(false))
	if d.Serve.Mail.Strangers != "" || slices.Contains(frontNames(d), "mail-strangers") {
		t.Error("strangers may come unasked")
	}
	if desire(inputs()).Serve.Mail != nil {
		t.Error("there is mail without its file")
	}
}

// Only mail's own onion signs, and only when there is mail.
func TestSignMail(t *testing.T) {
	h := newHouse(t, nil)
	h.TorIDs = IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	h.view.addresses = make(map[string]onion.Address)
	for _, name := range []string{"home", "photos"} {
		address, err := onion.EnsureKeys(h.Paths.OnionKeys(name), os.Getuid(), os.Getgid())
		if err != nil {
			t.Fatal(err)
		}
		h.view.addresses[name] = address
	}
	home, photos := h.view.addresses["home"], h.view.addresses["photos"]
	ask := link.Digest{Onion: string(home), Sum: [32]byte{1, 2, 3}}
	if _, err := h.SignMail(t.Context(), ask); err == nil {
		t.Error("a box without mail signs mail")
	}
	h.view.config = mailInputs(false).Config
	signature, err := h.SignMail(t.Context(), ask)
	if err != nil || !ed25519.Verify(home.PublicKey(), ask.Sum[:], signature) {
		t.Errorf("the signature does not verify (%v)", err)
	}
	for _, other := range []string{string(photos), "", strings.Repeat("a", 56)} {
		if _, err := h.SignMail(t.Context(), link.Digest{Onion: other}); err == nil {
			t.Errorf("the onion %q signs mail", other)
		}
	}
}

// The password of a smarthost is read from a file that nobody else can read.
func TestSmarthostPassword(t *testing.T) {
	for name, x := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{"good": {"secret\n", 0o600, "secret"}, "open": {"secret\n", 0o644, ""}, "empty": {"\n", 0o600, ""}} {
		path := t.TempDir() + "/password"
		if err := os.WriteFile(path, []byte(x.text), x.mode); err != nil {
			t.Fatal(err)
		}
		a := attempt{in: mailInputs(false)}
		mail := &a.in.Config.Endpoints[1].SMTP
		mail.Smarthost = &config.Smarthost{Host: "mail.provider.example", Port: 465, PasswordFile: path, From: "a@b.example"}
		a.readSmarthost()
		d := desire(a.in)
		switch s := d.Serve.Mail.Smarthost; {
		case x.want == "":
			if s != nil || len(a.findings) != 1 {
				t.Errorf("%s: %v, %v", name, s, a.findings)
			}
		case s == nil || s.Password != x.want || len(a.findings) != 0:
			t.Errorf("%s: %v, %v", name, s, a.findings)
		}
	}
}

func TestMailVerbs(t *testing.T) {
	h := newHouse(t, nil)
	list, err := h.MailQueue(t.Context())
	if err != nil || len(list) != 1 || list[0].Recipients[0].To != "bob@x" || list[0].Next != nil {
		t.Errorf("MailQueue = %+v, %v", list, err)
	}
	if l, err := h.MailShow(t.Context(), api.MailRequest{ID: "3f"}); err != nil || l.ID != "3f" {
		t.Errorf("MailShow = %+v, %v", l, err)
	}
	if f, err := h.MailFlush(t.Context(), api.MailRequest{Peer: "alice"}); err != nil || f.Count != 2 {
		t.Errorf("MailFlush = %+v, %v", f, err)
	}
	if err := h.MailDrop(t.Context(), api.MailRequest{ID: "3f"}); err != nil {
		t.Error(err)
	}
}
