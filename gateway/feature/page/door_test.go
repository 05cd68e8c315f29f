package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/session"
	"tunic/gateway/tor"
)

// calls are what parts were asked for; whatever a test does not expect has no answer
// and ends it.
type calls struct {
	api.Daemon
	list    []string
	devices []api.Device
	traffic uint64
	broken  error // of the queue of mail
}

func (c *calls) note(what string, q any) { c.list = append(c.list, fmt.Sprintf("%s %+v", what, q)) }

func (c *calls) Status(context.Context) api.Status {
	s := api.Status{State: api.Open, Ready: true}
	s.Household.Served.Services = []api.Service{{Name: "imap", Active: 1}, {Name: "page-tls", Active: 2}}
	return s
}

// What has no answer here, under names that are no methods'.
type (
	otherDevices = api.Devices
	otherUsers   = api.Users
	otherOnions  = api.Onions
)

// devicesOf answers nothing but for devices.
type devicesOf struct {
	otherDevices
	*calls
}

func (d devicesOf) Devices(context.Context) ([]api.Device, error) { return d.devices, nil }

func (d devicesOf) SetDevice(_ context.Context, r api.DeviceRequest) (api.Device, error) {
	d.note("device", r)
	return api.Device{Name: r.Device}, nil
}

// Why knows no IPv6.
func (d devicesOf) Why(_ context.Context, r api.WhyRequest) (api.Why, error) {
	d.note("why", r.To)
	if r.To == api.Somewhere6 {
		return api.Why{}, errors.New("no such family")
	}
	return api.Why{From: r.Device, To: r.To}, nil
}

// onionsOf gives one another address, and answers nothing else.
type onionsOf struct {
	otherOnions
	*calls
}

func (o onionsOf) Rotate(_ context.Context, r api.RotateRequest) (api.Onion, error) {
	o.note("rotate", r)
	return api.Onion{Name: r.Name}, nil
}

// usersOf removes one, and answers nothing else.
type usersOf struct {
	otherUsers
	*calls
}

func (u usersOf) RemoveUser(_ context.Context, r api.UserRequest) error {
	u.note("remove", r)
	return nil
}

// torOf is connected, and has moved something whenever it is asked.
type torOf struct{ *calls }

func (torOf) Status() tor.Status {
	return tor.Status{Running: true, Version: "0.4.9.1", Bootstrap: 100}
}

func (o torOf) Traffic() (read, written uint64, ok bool) {
	o.traffic += 1000
	return o.traffic, o.traffic / 10, true
}

// mailOf has one mail that waits.
type mailOf struct {
	api.Mail
	*calls
}

func (m mailOf) MailQueue(context.Context) ([]api.Letter, error) {
	return []api.Letter{{ID: "3f2a09", From: "bob@x", Size: 1200}}, m.broken
}

func (m mailOf) MailFlush(_ context.Context, r api.MailRequest) (api.MailFlush, error) {
	m.note("flush", r)
	return api.MailFlush{Count: 1}, nil
}

func (m mailOf) MailDrop(_ context.Context, r api.MailRequest) error {
	m.note("drop", r)
	return nil
}

// host is as the last pass left it.
type host struct {
	feature.Host
	open bool
	mail bool // the box has it
}

func (h host) Now() feature.Now {
	c := &config.Config{Household: config.Household{DefaultPolicy: config.PolicyTor}}
	if h.mail {
		c.Endpoints = []config.Endpoint{{Name: "smtp"}}
	}
	return feature.Now{Scene: feature.Scene{Config: c}, Open: h.open}
}

const chips = "tall order of chips"

// furnished is the feature with a member and an admin, and a token for each.
func furnished(t *testing.T) (f *Feature, c *calls, member, admin string) {
	t.Helper()
	paths := config.NewPaths(t.TempDir())
	record, err := account.NewRecord(chips)
	if err != nil {
		t.Fatal(err)
	}
	store := account.Store{Dir: paths.Accounts()}
	for _, u := range []account.User{{Name: "ann", Role: account.Admin, Record: record},
		{Name: "bob", Role: account.Member, Record: record}} {
		if err := store.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	c = &calls{}
	f = New(host{open: true}, Parts{Paths: paths, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Tor: torOf{c}})
	f.Ask(api.Parts{Daemon: c, Devices: devicesOf{calls: c}, Users: usersOf{calls: c}, Mail: mailOf{calls: c},
		Onions: onionsOf{calls: c}})
	pass, err := f.logIn(t.Context(), link.PageLogin{Device: "phone", Name: "bob", Password: chips})
	if err != nil || pass.Token == "" {
		t.Fatalf("%v, %q", err, pass.Refused)
	}
	half, err := f.logIn(t.Context(), link.PageLogin{Device: "laptop", Name: "ann", Password: chips})
	if err != nil || half.Secret == "" {
		t.Fatalf("%v, %q", err, half.Refused)
	}
	whole, err := f.enrol(t.Context(), link.PageCode{Device: "laptop", Token: half.Token, Code: codeOf(t, half.Secret)})
	if err != nil || whole.Token == "" {
		t.Fatalf("%v, %q", err, whole.Refused)
	}
	return f, c, pass.Token, whole.Token
}

// codeOf is what an app for codes shows now.
func codeOf(t *testing.T, secret string) string {
	t.Helper()
	code, err := session.Code(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func act(t *testing.T, f *Feature, token, verb, body string) link.PageAnswer {
	t.Helper()
	a, err := f.act(t.Context(), link.PageAct{Token: token, Verb: verb, Body: json.RawMessage(body)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A serve that was taken over has no token, or has made one up, or one of an admin's
// who has not shown a code yet: nothing is done for it.
func TestWithoutAToken(t *testing.T) {
	f, c, member, admin := furnished(t)
	for _, token := range []string{"", "x", strings.Repeat("A", 43), strings.ToLower(admin), admin + " ", member[:40]} {
		for verb := range f.verbs() {
			if a := act(t, f, token, verb, `{}`); !a.Gone || a.Body != nil {
				t.Errorf("%q, %s: %#v", token, verb, a)
			}
		}
	}
	if len(c.list) > 0 {
		t.Errorf("%q", c.list)
	}
	if a := act(t, f, admin, "device", `{"device":"tv","policy":"block"}`); a.Gone || a.Error != "" || len(c.list) != 1 {
		t.Errorf("an admin: %#v, %q", a, c.list)
	}
}

// A member can do no verb of an admin's, and nobody one that no role has.
func TestVerbsOfOthers(t *testing.T) {
	f, c, member, admin := furnished(t)
	n := 0
	for verb, v := range f.verbs() {
		if !v.admins {
			continue
		}
		n++
		if a := act(t, f, member, verb, `{}`); a.Error == "" || a.Body != nil {
			t.Errorf("a member, %s: %#v", verb, a)
		}
	}
	for _, verb := range []string{"", "import", "reload", "lockdown", "plan", "portal", "probe", "newnym", "log",
		"introduce", "rename", "user/change", "mail/show", "bypass/add", "upgrade", "grantclient", "keys", "ca", "backup"} {
		for _, token := range []string{member, admin} {
			if a := act(t, f, token, verb, `{}`); a.Error == "" || a.Body != nil {
				t.Errorf("%s: %#v", verb, a)
			}
		}
	}
	if n < 12 || len(c.list) > 0 {
		t.Errorf("%d verbs of admins; %q", n, c.list)
	}
}

// What admins do at the box alone is not done from the page either.
func TestWhatIsForTheBox(t *testing.T) {
	f, c, _, admin := furnished(t)
	for verb, body := range map[string]string{"publish": `{"name":"x","ports":["80=127.0.0.1:80"],"fast":true}`,
		"unpublish": `{"name":"x","forget_key":true}`, "rotate": `{"name":"home","new_identity":true}`,
		"why": `{"own":true,"to":"192.0.2.1"}`, "invite": `{"name":"x","auto":true}`, "user/remove": `{"name":"ann"}`,
		"settings/plan": `{"interfaces":["eth0"]}`, "settings/apply": `{"inbound":["tcp/22"],"policy":"direct"}`,
		"settings/confirm": `{"by":"ann"}`, "mail/drop": `{"id":"3f"}`, "device": `{"device":"tv","unknown":1}`, "confirm": `null x`} {
		if a := act(t, f, admin, verb, body); a.Error == "" || a.Body != nil {
			t.Errorf("%s %s: %#v", verb, body, a)
		}
	}
	if a := act(t, f, admin, "user/remove", `{"name":"bob"}`); a.Error != "" || len(c.list) != 1 {
		t.Errorf("%#v, %q", a, c.list)
	}
}

// A wrong code is answered as a wrong password is: whoever guesses does not learn that the
// password was right. So it is where somebody else has enrolled in the meantime.
func TestWrongCode(t *testing.T) {
	f, _, _, _ := furnished(t)
	for _, q := range []link.PageLogin{{Device: "tv", Name: "ann", Password: chips, Code: "000000"},
		{Device: "tv", Name: "ann", Password: chips}, {Device: "tv", Name: "ann", Password: "guess"},
		{Device: "tv", Name: "nobody", Password: chips}} {
		if p, err := f.logIn(t.Context(), q); err != nil || p != (link.PagePass{Refused: link.PageWrong}) {
			t.Errorf("%q %q: %v, %q", q.Name, q.Code, err, p.Refused)
		}
	}
	f, _, _, _ = furnished(t)
	store := account.Store{Dir: f.Paths.Accounts()}
	record, err := account.NewRecord(chips)
	if err == nil {
		err = store.Add(account.User{Name: "zoe", Role: account.Admin, Record: record})
	}
	if err != nil {
		t.Fatal(err)
	}
	first, _ := f.logIn(t.Context(), link.PageLogin{Device: "tv", Name: "zoe", Password: chips})
	second, _ := f.logIn(t.Context(), link.PageLogin{Device: "tv", Name: "zoe", Password: chips})
	p, err := f.enrol(t.Context(), link.PageCode{Device: "tv", Token: first.Token, Code: codeOf(t, first.Secret)})
	if err != nil || p.Token == "" {
		t.Fatalf("%v, %q", err, p.Refused)
	}
	p, err = f.enrol(t.Context(), link.PageCode{Device: "tv", Token: second.Token, Code: codeOf(t, second.Secret)})
	if err != nil || p != (link.PagePass{Refused: link.PageGone}) {
		t.Errorf("the second to enrol: %v, %q", err, p.Refused)
	}
}

// After a log-out nothing is left of it.
func TestLogOut(t *testing.T) {
	f, _, member, _ := furnished(t)
	if a := act(t, f, member, logOut, ``); !a.Gone {
		t.Errorf("%#v", a)
	}
	if a := act(t, f, member, "state", ``); !a.Gone {
		t.Errorf("%#v", a)
	}
}

// Whoever is not logged in learns of their own device, and of the others how many.
func TestView(t *testing.T) {
	f, c, _, _ := furnished(t)
	until := time.Now().Add(time.Hour)
	c.devices = []api.Device{{Name: "tv", MAC: "02::1", Policy: "direct", Until: &until, Then: "tor",
		Addresses: []string{"192.168.77.31", "fe80::1"}},
		{Name: "laptop", Policy: "tor", Seen: true, Addresses: []string{"192.168.77.30"}}, {Name: "lamp", Policy: "block"}}
	want := link.PageView{Open: true, Inside: 1, Direct: 1, Blocked: 1, Known: true, Name: "tv", Policy: "direct", Until: &until,
		Then: "tor"}
	for _, a := range []string{"192.168.77.31", "::ffff:192.168.77.31", "fe80::1%br-lan"} {
		if v, err := f.view(t.Context(), link.PageVisit{Device: netip.MustParseAddr(a)}); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%s: %+v, %v", a, v, err)
		}
	}
	v, err := f.view(t.Context(), link.PageVisit{Device: netip.MustParseAddr("192.168.77.99")})
	if err != nil || v.Known || v.Policy != "tor" || v.Name != "" || v.Inside != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	f.host = host{}
	if v, _ := f.view(t.Context(), link.PageVisit{}); v.Open {
		t.Error("a closed house is called open")
	}
}

// However often the page is loaded, the daemon looks around once a second.
func TestViewLooksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		look := func(context.Context) ([]api.Device, error) { looks++; return []api.Device{{Name: "tv"}}, nil }
		var s seen
		c := new(config.Config)
		for range 50 {
			if list, err := s.get(t.Context(), c, look); err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
		}
		time.Sleep(seenFor)
		if _, err := s.get(t.Context(), c, look); err != nil || looks != 2 {
			t.Errorf("%d looks, %v", looks, err)
		}
		if _, err := s.get(t.Context(), new(config.Config), look); err != nil || looks != 3 {
			t.Errorf("another configuration: %d looks, %v", looks, err)
		}
		broken := errors.New("broken")
		time.Sleep(seenFor)
		if _, err := s.get(t.Context(), c, func(context.Context) ([]api.Device, error) { return nil, broken }); err != broken {
			t.Errorf("an error is %v", err)
		}
	})
}

// The verbs of members are these and no more.
func TestMembers(t *testing.T) {
	f, _, _, _ := furnished(t)
	var list []string
	for verb, v := range f.verbs() {
		if v.may(account.Member) {
			list = append(list, verb)
		}
		if v.may(account.Guest) || v.may("") || !v.may(account.Admin) {
			t.Errorf("%s", verb)
		}
	}
	if slices.Sort(list); !slices.Equal(list, []string{"friends", "me", "state"}) {
		t.Errorf("%q", list)
	}
}
