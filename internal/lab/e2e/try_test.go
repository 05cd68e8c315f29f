//go:build lab

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab/internet"
)

// testTry: tunic try tells sites that open apart from those that refuse, those that
// are shut, and those that are not there; and nothing but Tor's own leaves.
func testTry(w *world) {
	w.ready()
	mark := w.wan.MustMark(w)
	refuses, err := w.internet.Listen(w.ctx, web4+":8403")
	if err != nil {
		w.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "solve this captcha", http.StatusForbidden)
	})}
	go srv.Serve(refuses)
	defer srv.Close()

	own, err := internet.NewCertificate([]netip.Addr{addr(web4)})
	if err != nil {
		w.Fatal(err)
	}
	secured, err := w.internet.Listen(w.ctx, web4+":8443")
	if err != nil {
		w.Fatal(err)
	}
	go srv.Serve(tls.NewListener(secured, &tls.Config{Certificates: []tls.Certificate{own.TLS}}))

	onion := w.must("friend", "tunic", "address", "home")
	for _, c := range []struct {
		url, verdict, hint string
		opens              bool
		steps              int
	}{
		{"http://web.example/", "web.example opens through Tor", "", true, 3},
		{"http://web.example/nowhere", "404", "", true, 3},
		{"http://v4.example:8403/", "the site refuses Tor: a captcha stands before it", "tunic bypass add v4.example", false, 3},
		{"http://v4.example:81/", "port 81 of v4.example takes no connection", "tunic bypass add v4.example", false, 2},
		{"http://nobody.example/", "there is no address for nobody.example", "compare the name", false, 1},
		{"https://v4.example:8443/", "is not valid: it is for other names", "enter no password", false, 3},
		{"https://" + web4 + ":8443/", "is nobody whom this box trusts", "enter no password", false, 2},
		{"http://192.168.77.20:8080/", "is in the house", "open it on a device", false, 1},
		{"http://" + strings.TrimSuffix(onion, ".onion") + ".peer.home.arpa:70/",
			"the onion does not open: what answers there speaks no HTTP", "its owner", false, 2},
		{"http://" + onion + ":81/", "the onion does not open", "its owner", false, 1},
	} {
		w.tries(c.url, c.verdict, c.hint, c.opens, c.steps)
	}
	w.triesFrom()
	w.run("the doctor", seesTheDoctor)
	w.run("the doctor, and another DHCP server", func(w *world) {
		defer w.rogue()()
		r := w.exec("gateway", "tunic", "doctor", "--site", "http://web.example/")
		if want := "FAIL    br-lan: " + laptop4 + " sends devices by DHCP to " + laptop4; r.Code != 3 || !strings.Contains(r.Stdout, want) {
			w.Errorf("status %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
	})
	text, err := os.ReadFile(w.lab.LogFile("tunic-gateway"))
	if err != nil || strings.Contains(string(text), "v4.example") || strings.Contains(string(text), "nobody.example") {
		w.Errorf("a destination is in the log (%v)", err)
	}
	if lines := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(lines) > 0 {
		w.Errorf("something beside Tor left the box: %q", lines)
	}
}

// tries runs the verb in JSON and in words.
func (w *world) tries(url, verdict, hint string, opens bool, steps int) {
	w.Helper()
	begin := time.Now()
	r := w.exec("gateway", "tunic", "try", url, "--json")
	w.timed("try "+url, time.Since(begin))
	var got api.Try
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil {
		w.Fatalf("%s: status %d, %s %s", url, r.Code, r.Stdout, r.Stderr)
	}
	want := 0
	if !opens {
		want = 3
	}
	if r.Code != want || got.Opens != opens || !strings.Contains(got.Verdict, verdict) || !strings.Contains(got.Action, hint) ||
		len(got.Attempts) == 0 {
		w.Errorf("%s: status %d, %+v", url, r.Code, got)
	}
	for _, a := range got.Attempts {
		if len(a.Steps) != steps {
			w.Errorf("%s: %+v", url, a.Steps)
		}
		if e := a.Exit; steps > 1 && !strings.Contains(url, "peer.home.arpa") &&
			(e == nil || e.Nickname == "" || len(e.Fingerprint) != 40 || e.Address == "") {
			w.Errorf("%s: by the exit %+v", url, e)
		}
	}
}

// triesFrom: a device's policy is told before anything is tried.
func (w *world) triesFrom() {
	w.Helper()
	w.policy("phone", config.PolicyBlock)
	r := w.exec("gateway", "tunic", "try", "web.example", "--from", "phone")
	w.policy("phone", config.PolicyTor)
	defer w.noPolicy("phone")
	if r.Code != 3 || !strings.Contains(r.Stderr, "phone is blocked (policy block)") ||
		!strings.Contains(r.Stderr, "tunic device phone --policy tor") {
		w.Errorf("status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	out := w.must("gateway", "tunic", "try", "http://web.example", "--from", "phone")
	for _, want := range []string{"http://web.example/, from phone (policy tor)", "through Tor, by the exit ", "name ", "TCP ", "HTTP ",
		"200 OK", "web.example opens through Tor"} {
		if !strings.Contains(out, want) {
			w.Errorf("no %q in %s", want, out)
		}
	}
}

// seesTheDoctor: all checks run, say what they saw, and change nothing.
func seesTheDoctor(w *world) {
	before := w.look()
	begin := time.Now()
	r := w.exec("gateway", "tunic", "doctor", "--site", "http://web.example/", "--json")
	w.timed("the doctor", time.Since(begin))
	var list []struct{ Area, State, Text, Action string }
	if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil {
		w.Fatalf("status %d, %s %s", r.Code, r.Stdout, r.Stderr)
	}
	seen := map[string]string{}
	for _, line := range list {
		w.Logf("%s: %s: %s (%s)", line.Area, line.State, line.Text, line.Action)
		seen[line.Area] += line.State + " " + line.Text + "\n"
		if line.State != "ok" && line.Action == "" {
			w.Errorf("%s: %q says not what to do", line.Area, line.Text)
		}
	}
	for area, want := range map[string]string{"configuration": "ok the files have no mistake", "daemon": "ok it runs", "network": "br-lan",
		"tor": "is connected", "names and pages": "ok web.example opens through Tor", "household": "ok br-lan: nobody there",
		"disks": "", "onions": "home", "certificates": "good until"} {
		if seen[area] == "" || !strings.Contains(seen[area], want) {
			w.Errorf("%s: %q", area, seen[area])
		}
	}
	if failed := strings.Contains(r.Stdout, `"state": "fail"`); failed != (r.Code == 3) {
		w.Errorf("status %d", r.Code)
	}
	if changes := before.Changes(w.look()); len(changes) > 0 {
		w.Errorf("the doctor has changed: %q", changes)
	}
}
