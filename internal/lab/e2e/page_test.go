//go:build lab

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/session"
	"tunic/internal/lab/traffic"
)

// testPage uses the box's own page as people do: without a log-in from the phone, and
// as an admin from the laptop.
func testPage(w *world) {
	w.run("for everybody in the house", pageForEverybody)
	w.run("for nobody else", pageForNobodyElse)
	w.run("while the household is closed", pageWhileClosed)
	w.run("beside a server of the owner's", pageBesideAnother)
	w.run("an admin blocks the phone", pageOfAnAdmin)
	w.run("at a friend's bare name", friendsPage)
	w.run("settings are confirmed, or come back", pageSettings)
}

func pageForEverybody(w *world) {
	for name, args := range map[string][]string{
		"by its name": {"http://box.home.arpa/"}, "by its address": {"http://" + box4 + "/"}, "over IPv6": {"http://[" + box6 + "]/"},
	} {
		if body, ok := w.curl("phone", 5, args...); !ok || !strings.Contains(body, "This device goes through Tor.") {
			w.Errorf("%s: %q", name, body)
		}
	}
	if body, ok := w.curl("phone", 5, "-H", "Host: attacker.example", "http://"+box4+"/"); ok && strings.Contains(body, "Tor") {
		w.Errorf("by a strange name: %q", body)
	}
	if ca, ok := w.curl("phone", 5, "http://box.home.arpa/ca.crt"); !ok || strings.TrimSpace(ca) != w.must("gateway", "tunic", "ca") {
		w.Errorf("another certificate: %q", ca)
	}
	w.policy("phone", config.PolicyDirect)
	defer w.noPolicy("phone")
	if body, _ := w.curl("phone", 5, "http://box.home.arpa/"); !strings.Contains(body, "This device: phone") ||
		!strings.Contains(body, "This device goes outside Tor.") {
		w.Errorf("direct: %q", body)
	}
}

// pageForNobodyElse: neither the internet nor who dials the internal port gets there.
func pageForNobodyElse(w *world) {
	for _, port := range []string{"80", "443", "9355", "9384", "9385"} {
		for _, address := range []string{wan4, wan6, box4} {
			ctx, cancel := context.WithTimeout(w.ctx, 200*time.Millisecond)
			if c, err := w.internet.Dial(ctx, "tcp", net.JoinHostPort(address, port)); err == nil {
				c.Close()
				w.Errorf("the internet reaches port %s of %s", port, address)
			}
			cancel()
		}
		if len(port) < 4 {
			continue
		}
		if c, err := w.phone.Dial(w.ctx, "tcp", net.JoinHostPort(box4, port)); err == nil {
			c.Close()
			w.Errorf("the phone reaches the internal port %s", port)
		}
	}
}

// pageWhileClosed: everybody at home sees why nothing leaves, under the box's name too, and
// nothing else is answered or let through.
func pageWhileClosed(w *world) {
	w.must("gateway", "tunic", "lockdown")
	defer func() {
		w.must("gateway", "tunic", "reload")
		w.ready()
	}()
	for _, args := range [][]string{{"http://box.home.arpa/"}, {"http://" + box4 + "/"}, {"http://[" + box6 + "]/"}} {
		if body, ok := w.curl("phone", 5, args...); !ok || !strings.Contains(body, "Nothing leaves the house") {
			w.Errorf("%q: %q", args, body)
		}
	}
	if answer, err := w.browser(w.laptop).Get("https://box.home.arpa/login"); err != nil || answer.StatusCode != http.StatusOK {
		w.Errorf("over TLS: %v", err)
	}
	for _, args := range [][]string{{"http://" + web4 + "/"}, {"http://web.example/"},
		{"--socks5-hostname", box4 + ":9050", "http://web.example/"}} {
		if body, ok := w.curl("phone", 5, args...); ok {
			w.Errorf("%q is answered: %q", args, body)
		}
	}
	pageForNobodyElse(w)
}

// pageBesideAnother: what the owner of the box serves at port 80 stays there.
func pageBesideAnother(w *world) {
	l, err := w.gateway.Listen(w.ctx, ":80")
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the owner's") }))
	w.must("gateway", "tunic", "reload")
	if body, _ := w.curl("phone", 5, "http://"+box4+"/"); body != "the owner's" {
		w.Errorf("the owner's server is away: %q", body)
	}
	w.finds(health.PageElsewhere, "port 80")
	if _, err := w.browser(w.laptop).Get("https://box.home.arpa/"); err != nil {
		w.Errorf("at the other port: %v", err)
	}
	l.Close()
	w.must("gateway", "tunic", "reload")
	if body, _ := w.curl("phone", 5, "http://"+box4+"/"); !strings.Contains(body, "This device") {
		w.Errorf("the page is not back: %q", body)
	}
}

// browser is one on a device of the house, which trusts the house's certificate alone.
type browser struct {
	*world
	http.Client
	form string // what forms of this log-in have in them
}

func (w *world) browser(from traffic.Host) *browser {
	w.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(w.must("gateway", "tunic", "ca"))) {
		w.Fatal("this is no certificate")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	b := &browser{world: w}
	b.Client = http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return from.Dial(ctx, network, box4+":443")
		}}}
	return b
}

var formWord = regexp.MustCompile(`name="form" value="([0-9a-f]{64})"`)

// page fetches one, or sends a form, and returns its text.
func (b *browser) page(path string, form url.Values) string {
	b.Helper()
	to := "https://box.home.arpa" + path
	answer, err := b.Get(to)
	if form != nil {
		form.Set("form", b.form)
		r, err2 := http.NewRequestWithContext(b.ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
		if err2 != nil {
			b.Fatal(err2)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://box.home.arpa")
		if err == nil {
			answer.Body.Close()
		}
		answer, err = b.Do(r)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	if m := formWord.FindSubmatch(body); m != nil {
		b.form = string(m[1])
	}
	return string(body)
}

func pageOfAnAdmin(w *world) {
	w.must("gateway", "sh", "-c", "echo '"+bobsPassword+"' | tunic user add ann")
	w.Cleanup(func() {
		w.must("gateway", "tunic", "user", "remove", "ann")
		os.RemoveAll(w.paths().Page())
	})
	w.policy("phone", config.PolicyTor)
	defer w.noPolicy("phone")
	b := w.browser(w.laptop)
	if body := b.page("/devices", nil); strings.Contains(body, "<nav") {
		w.Fatalf("without a log-in: %s", body)
	}
	body := b.page("/login", url.Values{"name": {"ann"}, "password": {bobsPassword}})
	secret := regexp.MustCompile(`<dd class="key">([A-Z2-7]{32})</dd>`).FindStringSubmatch(body)
	if secret == nil {
		w.Fatalf("no secret: %s", body)
	}
	code, err := session.Code(secret[1], time.Now())
	if err != nil {
		w.Fatal(err)
	}
	if body := b.page("/enrol", url.Values{"code": {code}}); !strings.Contains(body, "Log out ann") {
		w.Fatalf("the code is refused: %s", body)
	}
	w.liveOverview(b)
	if body := b.page("/devices", nil); !strings.Contains(body, "<h3>phone</h3>") {
		w.Errorf("the phone is not there: %s", body)
	}
	if body := b.page("/do/why", url.Values{"device": {"phone"}}); !strings.Contains(body, "Goes through the box.") ||
		!strings.Contains(body, "packets so far") {
		w.Errorf("why: %s", body)
	}
	if body := b.page("/mail", nil); !strings.Contains(body, "Servers for mail and chat") {
		w.Errorf("the queue: %s", body)
	}
	w.rotated(b)
	set := func(policy string) {
		body := b.page("/do/device", url.Values{"device": {"phone"}, "policy": {policy}})
		if !strings.Contains(body, "The device is changed.") {
			w.Errorf("%s: %s", policy, body)
		}
	}
	set("block")
	if err := w.provoke("tcp", web4+":80"); !isRefused(err) {
		w.Errorf("the phone is blocked, but: %v", err)
	}
	set("tor")
	w.arrives()
	if body := b.page("/logout", url.Values{}); strings.Contains(body, "<nav") {
		w.Errorf("after the log-out: %s", body)
	}
}

// liveOverview: the pieces of the overview say how tor is, and how fast it goes.
func (w *world) liveOverview(b *browser) {
	w.Helper()
	if body := b.page("/overview", nil); !strings.Contains(body, `hx-get="/live/tor"`) {
		w.Errorf("the overview is not live: %s", body)
	}
	if body := b.page("/live/tor", nil); !strings.Contains(body, "Tor is connected.") || strings.Contains(body, "<html") {
		w.Errorf("tor: %s", body)
	}
	if body := b.page("/live/state", nil); !strings.Contains(body, "Protected:") {
		w.Errorf("the state: %s", body)
	}
	w.eventually("the page shows what goes through tor", 30*time.Second, func() bool {
		w.curl("phone", 10, "http://"+web4+"/")
		return regexp.MustCompile(`"down":\[[^\]]*[1-9]`).MatchString(b.page("/live/rates", nil))
	})
}

// rotated: an onion that has another address is listed with both.
func (w *world) rotated(b *browser) {
	w.Helper()
	w.must("gateway", "tunic", "publish", "photos", "80=192.168.77.20:8080")
	defer w.must("gateway", "tunic", "unpublish", "photos", "--forget-key", "--yes")
	addresses := regexp.MustCompile(`[a-z2-7]{56}\.onion`)
	before := addresses.FindString(b.page("/onions", nil)[strings.Index(b.page("/onions", nil), "<h3>photos"):])
	b.page("/do/rotate", url.Values{"name": {"photos"}, "keep": {"7d"}})
	body := b.page("/do/rotate", url.Values{"name": {"photos"}, "keep": {"7d"}, "sure": {"yes"}})
	after := addresses.FindString(body[strings.Index(body, "<h3>photos"):])
	if after == before || !strings.Contains(body, before+" (the address before, works until") {
		w.Errorf("%s became %s: %s", before, after, body)
	}
	if png := b.page("/qr?of=http://"+after, nil); !strings.HasPrefix(png, "\x89PNG") {
		w.Errorf("no QR code: %q", png)
	}
}

// friendsPage: at a friend's bare name there is what the friend shares, and a server of
// the friend's if there is one.
func friendsPage(w *world) {
	w.must("friend", "tunic", "accept", w.must("gateway", "tunic", "invite", "bob", "--me", "alice", "--auto"))
	defer w.friendless("gateway", "friend")
	w.becomes("friend", "alice", api.PeerFriend)
	w.must("gateway", "tunic", "publish", "photos", "80=192.168.77.20:8080", "--client", "bob")
	defer w.must("gateway", "tunic", "unpublish", "photos", "--forget-key", "--yes")
	home := filepath.Join(w.paths().OnionDir(), "home.toml")
	before, err := os.ReadFile(home)
	if err != nil {
		w.Fatal(err)
	}
	w.write(home, string(before)+"\n80 = \"192.168.77.20:8080\"\n")
	w.must("gateway", "tunic", "reload")
	w.fetched("friend-laptop", "This is the nas.", onionLimit, "http://alice.peer.home.arpa/")
	w.write(home, string(before))
	w.must("gateway", "tunic", "reload")
	w.eventually("the page says what is shared", pairLimit, func() bool {
		body, _ := w.curl("friend-laptop", 30, "http://alice.peer.home.arpa/")
		return strings.Contains(body, `<a href="http://photos.alice.peer.home.arpa/">`)
	})
	body, _ := w.curl("friend-laptop", 30, "-H", "Host: attacker.example", "http://alice.peer.home.arpa/")
	if strings.Contains(body, "photos") {
		w.Errorf("by a strange name: %q", body)
	}
}
