package mail

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/rules"
)

// scene is of a box with mail, a friend and a group.
func scene(c config.SMTP) feature.Scene {
	return feature.Scene{Foreseen: true, Paths: config.NewPaths("/r"), ChildIDs: feature.ChildIDs{Mail: feature.IDs{UID: 110}},
		Config: &config.Config{Endpoints: []config.Endpoint{{Name: "smtp", SMTP: c}},
			Peers: []config.Peer{{Name: "alice", Onion: "aaa2"}},
			Groups: []config.Group{{Name: "choir", Title: "Choir",
				Members: []config.Member{{Local: "bob", Petname: "alice"}, {Local: "ann"}, {Local: "eve", Onion: "eee2"}}}}},
		Facts:     feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}}},
		Ranges:    feature.Ranges{Virtual4: netip.MustParsePrefix("10.192.0.0/16")},
		Addresses: map[string]onion.Address{"home": "bbbb", "mail-strangers": "ssss"},
		Former:    map[string][]onion.Address{"home": {"bbb0"}, "photos": {"ppp0"}}}
}

// wanted is what is wanted in a scene, and what was found in it.
func wanted(t *testing.T, s feature.Scene) (d feature.Desired, r feature.Report) {
	t.Helper()
	New(nil, nil).Look(t.Context(), &s, &r).Add(s, &d)
	return d, r
}

func TestMail(t *testing.T) {
	d, _ := wanted(t, scene(config.SMTP{Strangers: true, MaxSize: 1000, Quota: 2000}))
	m := d.Serve.Mail
	if m == nil || m.Home != "bbbb" || m.Strangers != "ssss" || !slices.Equal(m.Former, []string{"bbb0"}) ||
		m.MaxSize != 1000 || m.Quota != 2000 {
		t.Fatalf("mail is %+v", m)
	}
	if !slices.Equal(m.Friends, []link.MailFriend{{Name: "alice", Key: "aaa2"}}) {
		t.Errorf("friends are %v", m.Friends)
	}
	members := []string{"bob@aaa2.peer.home.arpa", "ann@bbbb.peer.home.arpa", "eve@eee2.peer.home.arpa"}
	if len(m.Groups) != 1 || !slices.Equal(m.Groups[0].Members, members) {
		t.Errorf("groups are %v", m.Groups)
	}
	doors := []rules.Service{{Name: "submission", Public: 587, Internal: config.ServeSubmissionPort},
		{Name: "imaps", Public: 993, Internal: config.ServeIMAPPort},
		{Name: "setup", Public: 80, Internal: config.ServeSetupPort, To: netip.MustParseAddr("10.192.0.1")}}
	if !slices.Equal(d.Rules.Services, doors) {
		t.Errorf("services are %v", d.Rules.Services)
	}
	if len(m.Listeners) != 2 || len(d.Serve.Terminators) != 1 || len(d.Serve.Terminators[0].Listeners) != 2 ||
		len(d.Serve.Setup.Listeners) != 1 {
		t.Errorf("listeners %v, behind %+v, setup %+v", m.Listeners, d.Serve.Terminators, d.Serve.Setup)
	}
	if d, _ := wanted(t, scene(config.SMTP{})); d.Serve.Mail.Strangers != "" {
		t.Error("strangers may come unasked")
	}
}

// Without the file of the endpoint, and without a home, nothing is wanted.
func TestNoMail(t *testing.T) {
	none := scene(config.SMTP{})
	none.Config.Endpoints = nil
	homeless := scene(config.SMTP{})
	delete(homeless.Addresses, "home")
	for _, s := range []feature.Scene{none, homeless} {
		if d, _ := wanted(t, s); d.Serve.Mail != nil || len(d.Servers)+len(d.Listeners)+len(d.Rules.Services) > 0 {
			t.Errorf("wanted: %+v", d)
		}
	}
	before := scene(config.SMTP{}) // nobody has looked for keys
	before.Addresses = nil
	if d, _ := wanted(t, before); d.Serve.Mail == nil || len(d.Rules.Services) != 3 {
		t.Errorf("a plan has not what will be wanted: %+v", d)
	}
}

// Without its user there is no server to read mail with, which is said.
func TestNoUser(t *testing.T) {
	s := scene(config.SMTP{})
	s.Mail = feature.IDs{}
	d, r := wanted(t, s)
	if len(d.Servers)+len(d.Serve.Terminators) > 0 || len(r.Findings) != 1 ||
		!strings.Contains(r.Findings[0].Text, "useradd") || r.Findings[0].Subject != "dovecot" {
		t.Errorf("%+v, %+v", d.Servers, r.Findings)
	}
}

// The password of a smarthost is read from a file that nobody else can read.
func TestSmarthostPassword(t *testing.T) {
	for name, x := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"good": {"secret\n", 0o600, "secret"}, "open": {"secret\n", 0o644, ""},
		"empty": {"\n", 0o600, ""}, "long": {strings.Repeat("x", 1025), 0o600, ""},
	} {
		path := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(path, []byte(x.text), x.mode); err != nil {
			t.Fatal(err)
		}
		smarthost := &config.Smarthost{Host: "mail.provider.example", Port: 465, PasswordFile: path, From: "a@b.example"}
		d, r := wanted(t, scene(config.SMTP{Smarthost: smarthost}))
		switch s := d.Serve.Mail.Smarthost; {
		case x.want == "":
			if s != nil || len(r.Findings) != 1 {
				t.Errorf("%s: %v, %v", name, s, r.Findings)
			}
		case s == nil || s.Password != x.want || len(r.Findings) != 0:
			t.Errorf("%s: %v, %v", name, s, r.Findings)
		}
	}
}

// host is a box as it is now.
type host struct {
	feature.Host
	now feature.Now
}

func (h host) Now() feature.Now { return h.now }

// Only mail's own onion signs, and only when there is mail.
func TestSign(t *testing.T) {
	ids := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	now := feature.Now{Scene: feature.Scene{Config: &config.Config{}, Paths: config.NewPaths(t.TempDir()),
		ChildIDs: feature.ChildIDs{Tor: ids}, Addresses: make(map[string]onion.Address)}}
	for _, name := range []string{"home", "photos"} {
		address, err := onion.EnsureKeys(now.Paths.OnionKeys(name), os.Getuid(), os.Getgid())
		if err != nil {
			t.Fatal(err)
		}
		now.Addresses[name] = address
	}
	home, photos := now.Addresses["home"], now.Addresses["photos"]
	ask := link.Digest{Onion: string(home), Sum: [32]byte{1, 2, 3}}
	if _, err := New(host{now: now}, nil).sign(t.Context(), ask); err == nil {
		t.Error("a box without mail signs mail")
	}
	now.Config = scene(config.SMTP{}).Config
	f := New(host{now: now}, nil)
	signature, err := f.sign(t.Context(), ask)
	if err != nil || !ed25519.Verify(home.PublicKey(), ask.Sum[:], signature) {
		t.Errorf("the signature does not verify (%v)", err)
	}
	for _, other := range []string{string(photos), "", strings.Repeat("a", 56)} {
		if _, err := f.sign(t.Context(), link.Digest{Onion: other}); err == nil {
			t.Errorf("the onion %q signs mail", other)
		}
	}
}

// queue is who has the queue of mail; nil: a letter.
type queue struct{ err error }

func (q queue) Mail(_ context.Context, a link.MailQuestion) (link.MailAnswer, error) {
	letter := link.Letter{ID: a.Word, Recipients: []link.LetterRecipient{{To: "bob@x", State: "waiting"}}}
	return link.MailAnswer{Messages: []link.Letter{letter}, Count: 2}, q.err
}

func TestQueue(t *testing.T) {
	f := New(nil, queue{})
	list, err := f.MailQueue(t.Context())
	if err != nil || len(list) != 1 || list[0].Recipients[0].To != "bob@x" || list[0].Next != nil {
		t.Errorf("MailQueue = %+v, %v", list, err)
	}
	if l, err := f.MailShow(t.Context(), api.MailRequest{ID: "3f"}); err != nil || l.ID != "3f" {
		t.Errorf("MailShow = %+v, %v", l, err)
	}
	if a, err := f.MailFlush(t.Context(), api.MailRequest{Peer: "alice"}); err != nil || a.Count != 2 {
		t.Errorf("MailFlush = %+v, %v", a, err)
	}
	if err := f.MailDrop(t.Context(), api.MailRequest{ID: "3f"}); err != nil {
		t.Error(err)
	}
}

// A queue that gives no answer is not there yet, or the failure says what to do.
func TestNoQueue(t *testing.T) {
	now := feature.Now{Scene: feature.Scene{Config: scene(config.SMTP{}).Config}, Why: "Tor is connecting"}
	broken := queue{errors.New("broken")}
	err := New(host{now: now}, broken).MailDrop(t.Context(), api.MailRequest{})
	if err == nil || !strings.Contains(err.Error(), "starts when") {
		t.Errorf("while the house is closed: %v", err)
	}
	now.Open = true
	err = New(host{now: now}, broken).MailDrop(t.Context(), api.MailRequest{})
	if f, ok := errors.AsType[*api.Failure](err); !ok || f.Error() != "broken" || f.Hint != hint {
		t.Errorf("in an open one: %v", err)
	}
	now.Config = &config.Config{}
	err = New(host{now: now}, broken).MailDrop(t.Context(), api.MailRequest{})
	if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage || !strings.Contains(f.Hint, "smtp.toml") {
		t.Errorf("in one without mail: %v", err)
	}
}

// The mail server knows all onions that phones have, and had before they were rotated, also
// when the old one leads nowhere any more, and also of a phone that is shut out.
func TestPhonesOnions(t *testing.T) {
	s := scene(config.SMTP{})
	s.Paths = config.NewPaths(t.TempDir())
	ann, bob := config.Phone{Name: "annphone"}, config.Phone{Name: "bobphone"}
	var keys []onion.Address
	for i := range 3 {
		keys = append(keys, onion.FromPublicKey(slices.Repeat([]byte{byte(i + 1)}, ed25519.PublicKeySize)))
	}
	s.Config.Phones, s.Written = []config.Phone{ann}, &config.Config{Phones: []config.Phone{ann, bob}}
	s.Addresses[ann.Onion()], s.Addresses[bob.Onion()] = keys[0], keys[1]
	if err := os.MkdirAll(s.Paths.RetiredKeys(ann.Onion(), string(keys[2])), 0o700); err != nil {
		t.Fatal(err)
	}
	want := []string{keys[0].Host(), keys[1].Host(), keys[2].Host()}
	slices.Sort(want)
	if d, _ := wanted(t, s); !slices.Equal(d.Serve.Mail.Phones, want) {
		t.Errorf("%q, want %q", d.Serve.Mail.Phones, want)
	}
}
