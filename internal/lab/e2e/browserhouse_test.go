//go:build lab

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// The boxes as browsers know them, and all that a page may ask for.
const (
	securePage = "https://box.home.arpa"
	plainPage  = "http://box.home.arpa"
	houseA     = "host 192.168.77.1 or host fd77::1 or host 2001:db8:77::1"
)

// pageRoom is a page that is looked at in both widths and themes, with pictures of it.
type pageRoom struct {
	name, who, url string
	form           map[string]any // to send, for a page that is an answer
}

// roomsOfHouse are all pages of household A's box, as ann sees them who is an admin, bob
// who is a member, and who is not logged in.
var roomsOfHouse = []pageRoom{
	{name: "front", url: plainPage + "/"},
	{name: "certificate", url: plainPage + "/certificate"},
	{name: "login", url: "/login"},
	{name: "enrol", form: map[string]any{"url": "/login", "action": "/login",
		"fields": map[string]string{"name": "zoe", "password": bobsPassword}}},
	{name: "overview", who: "ann", url: "/overview"},
	{name: "devices", who: "ann", url: "/devices"},
	{name: "why", who: "ann", form: map[string]any{"url": "/devices", "action": "/do/why",
		"where": map[string]string{"device": laptopMAC}}},
	{name: "onions", who: "ann", url: "/onions"},
	{name: "friends", who: "ann", url: "/friends"},
	{name: "people", who: "ann", url: "/people"},
	{name: "settings", who: "ann", url: "/settings"},
	{name: "settings-plan", who: "ann", form: map[string]any{"url": "/settings", "action": "/do/settings/plan",
		"fields": map[string]string{"metrics": "household"}}},
	{name: "leaks", who: "ann", url: "/leaks"},
	{name: "report", who: "ann", url: "/report"},
	{name: "me", who: "ann", url: "/me"},
	{name: "member-overview", who: "bob", url: "/overview"},
	{name: "member-friends", who: "bob", url: "/friends"},
}

// testBrowser uses the pages of two houses with Debian's chromium, as their people do.
func testBrowser(w *world) {
	h := w.housesOfBrowsers()
	w.run("first visit, and the certificate", h.firstVisit)
	h.open(w)
	w.run("log in, and send the laptop outside Tor", h.policySwitched)
	w.run("invite and accept across both pages", h.befriended)
	w.run("publish, and fetch at the friend's", h.published)
	w.run("why a connection goes as it does", h.whyRoom)
	w.run("mail that waits, and is removed", h.mailRoom)
	w.run("settings, confirmed and taken back", h.settings)
	w.run("the leak test looks again", h.leakRoom)
	w.run("a report and the log", h.reportRoom)
	w.run("another language", h.languages)
	w.run("keys alone", h.byKeys)
	w.run("every page, in both widths and themes", h.surveyed)
	w.run("names of strangers run nothing", strangersNames)
	w.run("attacks on who is logged in", h.attacks)
}

// houses are the two households with their browsers.
type houses struct {
	parent       *world // that lasts as long as they do
	homeA, homeB string
	ann, bea     *chromium // on the laptops of A and B, with their house's certificate
}

func (w *world) housesOfBrowsers() *houses {
	for _, u := range []struct{ on, name, role string }{ // an admin stays to the end
		{"gateway", "ann", "admin"}, {"gateway", "zoe", "admin"}, {"gateway", "bob", "member"}, {"friend", "bea", "admin"},
	} {
		w.must(u.on, "sh", "-c", "echo '"+bobsPassword+"' | tunic user add --role "+u.role+" "+u.name)
		w.Cleanup(func() { w.must(u.on, "tunic", "user", "remove", u.name) })
	}
	leases := filepath.Join(w.lab.Root("gateway"), "var/lib/misc/dnsmasq.leases")
	w.write(leases, "1 02:00:00:0a:00:10 192.168.77.10 phone *\n1 02:00:00:0a:00:20 192.168.77.20 nas *\n")
	w.Cleanup(func() {
		w.remove(leases)
		os.RemoveAll(w.paths().Page())
	})
	return &houses{parent: w, homeA: w.browserHome("laptop"), homeB: w.browserHome("friend-laptop")}
}

// firstVisit: a device that knows nothing gets the page, and there the certificate,
// without which its browser opens no log-in.
func (h *houses) firstVisit(w *world) {
	b := w.chromium("laptop", h.homeA, securePage, false)
	if p := b.open("", plainPage); p.Status != 200 || !strings.Contains(p.Text, "This device goes through Tor.") {
		w.Errorf("%+v", p)
	}
	p := b.see("click", map[string]any{"link": "How to install it"})
	fingerprint := regexp.MustCompile(`([0-9A-F]{2}:){31}[0-9A-F]{2}`).FindString(p.Text)
	if fingerprint == "" || !strings.Contains(w.must("gateway", "tunic", "ca", "--json"), fingerprint) {
		w.Errorf("the fingerprint is %q: %s", fingerprint, p.Text)
	}
	if p := b.open("", plainPage+"/devices"); strings.Contains(p.Text, "Log out") || !strings.Contains(p.Text, securePage+"/login") {
		w.Errorf("a room without TLS: %+v", p)
	}
	err := b.try("open", map[string]any{"url": "/login"}, nil)
	if err == nil || !strings.Contains(err.Error(), "ERR_CERT_AUTHORITY_INVALID") {
		w.Errorf("a browser without the certificate: %v", err)
	}
	b.onlyTheBox("box.home.arpa")
	b.end()
	w.trusts(h.homeA, "gateway")
	b = w.chromium("laptop", h.homeA, securePage, false)
	if p := b.open("", "/login"); p.Status != 200 || p.Title != "Log in – The box" {
		w.Errorf("with the certificate: %+v", p)
	}
	b.end()
}

// open starts a browser in each house.
func (h *houses) open(w *world) {
	w.trusts(h.homeB, "friend")
	h.ann = w.chromium("laptop", h.homeA, securePage, false)
	h.bea = w.chromium("friend-laptop", h.homeB, securePage, false)
}

// policySwitched: an admin sets codes up, and what the page says of a device is what
// happens to its traffic.
func (h *houses) policySwitched(w *world) {
	ann := h.ann.in(w)
	ann.login("ann", false)
	from := func() string {
		got, _ := w.curl("laptop", 20, "http://"+web4+"/ip")
		return got
	}
	if got := from(); !house.IsExit(got) {
		w.Errorf("before: the laptop arrived from %q, which is no exit", got)
	}
	h.parent.Cleanup(func() { h.parent.must("gateway", "tunic", "reload") })
	h.parent.Cleanup(func() { os.Remove(h.parent.device("laptop")) })
	ann.send("The device is changed.", map[string]any{"who": "ann", "url": "/devices", "action": "/do/device",
		"where": map[string]string{"mac": laptopMAC}, "fields": map[string]string{"device": "laptop", "policy": "direct"}})
	if got := from(); got != wan4 {
		w.Errorf("outside Tor: the laptop arrived from %q, not from the house's %s", got, wan4)
	}
	if p := ann.open("", plainPage); !strings.Contains(p.Text, "This device: laptop") || !strings.Contains(p.Text, "goes outside Tor.") {
		w.Errorf("%+v", p)
	}
	ann.send("The device is changed.", map[string]any{"who": "ann", "url": "/devices", "action": "/do/device", "keys": true,
		"where": map[string]string{"device": "laptop"}, "fields": map[string]string{"policy": "tor"}})
	if got := from(); !house.IsExit(got) {
		w.Errorf("after: the laptop arrived from %q, which is no exit", got)
	}
	ann.onlyTheBox("box.home.arpa")
}

var invitationWord = regexp.MustCompile(`tunic:[a-z2-7]{80,}`)

// befriended: one word from page to page, four that both read.
func (h *houses) befriended(w *world) {
	ann, bea := h.ann.in(w), h.bea.in(w)
	bea.login("bea", false)
	p := ann.see("send", map[string]any{"who": "ann", "url": "/friends", "action": "/do/invite",
		"fields": map[string]string{"name": "bea"}})
	word := invitationWord.FindString(p.Text)
	if word == "" {
		w.Fatalf("no invitation: %s", p.Text)
	}
	h.parent.Cleanup(func() { h.parent.friendless("gateway", "friend") })
	bea.send("The invitation is accepted", map[string]any{"who": "bea", "url": "/friends", "action": "/do/accept",
		"fields": map[string]string{"word": word, "as": "ann"}})
	words := func(c *chromium, who, before string) (found string) {
		w.eventually("the four words are on "+who+"'s page", pairLimit, func() bool {
			_, rest, ok := strings.Cut(c.open(who, "/friends").Text, before)
			if fields := strings.Fields(rest); ok && len(fields) > 4 {
				found = strings.Join(fields[:4], " ")
			}
			return ok
		})
		return found
	}
	here, there := words(ann, "ann", "by voice:"), words(bea, "bea", "The words to compare:")
	if here != there || here == "" {
		w.Fatalf("ann reads %q and bea %q", here, there)
	}
	ann.send("Confirmed.", map[string]any{"who": "ann", "url": "/friends", "action": "/do/confirm",
		"where": map[string]string{"name": "bea"}, "fields": map[string]string{"sure": "yes"}})
	for c, who := range map[*chromium]string{ann: "ann", bea: "bea"} {
		w.eventually("they are friends on "+who+"'s page", pairLimit, func() bool {
			return strings.Contains(c.open(who, "/friends").Text, "Their box answered")
		})
		c.onlyTheBox("box.home.arpa")
	}
}

// published: what one publishes for the other is found at the bare name, and opens.
func (h *houses) published(w *world) {
	ann, bea := h.ann.in(w), h.bea.in(w)
	begin := time.Now()
	ann.send("It is published.", map[string]any{"who": "ann", "url": "/onions", "action": "/do/publish", "fields": map[string]string{
		"name": "photos", "target": "80=" + lab.NASOnionTarget, "private": "yes", "clients": "bea"}})
	h.parent.Cleanup(func() { h.parent.must("gateway", "tunic", "unpublish", "photos", "--forget-key", "--yes") })
	const link = "photos.ann.peer.home.arpa"
	w.eventually("ann's bare name says what is shared", pairLimit, func() bool {
		var p seenPage
		return bea.try("open", map[string]any{"url": "http://ann.peer.home.arpa/"}, &p) == nil && strings.Contains(p.Text, link)
	})
	p := bea.see("click", map[string]any{"link": link})
	if !strings.Contains(p.Text, "This is the nas.") {
		w.Errorf("%+v", p)
	}
	w.timed("published to read at the friend's", time.Since(begin))
	bea.onlyTheBox("ann.peer.home.arpa", link)
	w.eventually("ann's page says that it is reached", pairLimit, func() bool {
		return strings.Contains(ann.open("ann", "/onions").Text, "reached")
	})
}

// languages: a page is in the language that is chosen, from then on.
func (h *houses) languages(w *world) {
	ann := h.ann.in(w)
	ann.open("somebody", "/")
	p := ann.see("click", map[string]any{"who": "somebody", "link": "Deutsch"})
	if p.Language != "de" || !strings.Contains(p.Text, "Dieses Gerät") {
		w.Errorf("%+v", p)
	}
	if p := ann.open("somebody", "/certificate"); p.Language != "de" {
		w.Errorf("the next page: %+v", p)
	}
	p = ann.see("click", map[string]any{"who": "somebody", "link": "English"})
	if p.Language != "en" || !strings.Contains(p.Text, "This device") {
		w.Errorf("%+v", p)
	}
}

// byKeys: a member logs in without a mouse, and out.
func (h *houses) byKeys(w *world) {
	ann := h.ann.in(w)
	ann.login("bob", true)
	if p := ann.see("logout", map[string]any{"who": "bob"}); strings.Contains(p.Text, "Log out") {
		w.Errorf("after the log-out: %+v", p)
	}
	ann.login("bob", false)
}

// surveyed: no page is wider than a phone, has something that keys do not reach or
// fingers do not hit, or what axe calls serious; and none asks anybody for anything but
// its box.
func (h *houses) surveyed(w *world) {
	capture, err := w.lab.CaptureDevice(w.ctx, "laptop")
	if err != nil {
		w.Fatal(err)
	}
	since := capture.MustMark(w)
	pictures := filepath.Join(h.homeA, "pictures")
	for _, r := range roomsOfHouse {
		w.run(r.name, func(w *world) { h.ann.in(w).survey(r, pictures) })
	}
	h.ann.in(w).onlyTheBox("box.home.arpa")
	for _, line := range w.sentElsewhere(capture, since, laptopMAC, houseA) {
		w.Errorf("the laptop has sent: %s", line)
	}
	if len(capture.MustLines(w, since, "ether src "+laptopMAC+" and dst port 443")) == 0 {
		w.Error("the capture has not seen the browser")
	}
	w.run("a friend's", func(w *world) {
		for _, r := range []pageRoom{
			{name: "shares", url: "http://ann.peer.home.arpa/"}, {name: "friend-shares", who: "bea", url: "/friends"},
		} {
			h.bea.in(w).survey(r, filepath.Join(h.homeB, "pictures"))
		}
	})
	w.keepPictures(pictures, filepath.Join(h.homeB, "pictures"))
}

// in is the browser for a subtest.
func (c *chromium) in(w *world) *chromium {
	sub := *c
	sub.world = w
	return &sub
}

func (c *chromium) survey(r pageRoom, pictures string) {
	c.Helper()
	var found struct {
		Controls int
		Wrong    []string
	}
	c.ask("survey", map[string]any{"name": r.name, "who": r.who, "url": r.url, "form": r.form, "dir": pictures}, &found)
	for _, wrong := range found.Wrong {
		c.Error(wrong)
	}
	c.Logf("%d controls", found.Controls)
	if found.Controls == 0 {
		c.Error("the page has no controls: is it the one that was meant?")
	}
}

// picturesVariable names the directory that pictures of the pages are written to; without
// it there are none.
const picturesVariable = "TUNIC_PICTURES"

func (w *world) keepPictures(dirs ...string) {
	w.Helper()
	to := os.Getenv(picturesVariable)
	if to == "" {
		return
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		w.Fatal(err)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.png"))
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".png") + ".webp"
			out, err := exec.CommandContext(w.ctx, "cwebp", "-quiet", "-near_lossless", "0", "-z", "5", f, "-o", filepath.Join(to, name)).
				CombinedOutput()
			if err != nil {
				w.Fatalf("cwebp %s: %v\n%s", f, err, out)
			}
		}
	}
}
