//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// testReach is about what the box knows of whether visitors get to its onions.
func testReach(w *world) {
	w.ready()
	mark := w.wan.MustMark(w)
	w.run("the box calls its own onion", callsItself)
	w.run("a target that goes down and comes back", targetDown)
	w.run("a private one", looksAtPrivate)
	w.run("an application that does not serve the onion's name", nameRefused)
	w.run("a front that tor cannot reach", noFront)
	w.run("a descriptor that is withheld", withheld)
	w.run("tor is killed", torKilled)
	if lines := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(lines) > 0 {
		w.Errorf("something beside Tor left the box: %q", lines)
	}
	w.must("gateway", "tunic", "unpublish", "reach")
}

const reachTarget = "127.0.0.1:18090"

// site is a web server on the gateway that serves some names only.
func (w *world) site(trusted func(host string) bool) (stop func()) {
	w.Helper()
	ln, err := w.gateway.Listen(w.ctx, reachTarget)
	if err != nil {
		w.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !trusted(r.Host) {
			http.Error(rw, "Access through untrusted domain", http.StatusBadRequest)
			return
		}
		rw.Header().Set("Server", "a-site")
		fmt.Fprint(rw, "hello")
	})}
	go srv.Serve(ln)
	return func() { srv.Close() }
}

func anybody(string) bool { return true }

// check runs tunic onions --check until it ends with a status, and returns what
// it then says of the onion. One call can fail by chance, as a visitor's can.
func (w *world) check(status int) (o api.Onion) {
	w.Helper()
	w.eventually(fmt.Sprintf("a check ends with status %d", status), callLimit, func() bool {
		begin := time.Now()
		r := w.exec("gateway", "tunic", "onions", "reach", "--check", "--json")
		w.timed("a check", time.Since(begin))
		var list []api.Onion
		if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil || len(list) != 1 {
			w.Fatalf("the check ended with status %d: %s %s", r.Code, r.Stdout, r.Stderr)
		}
		o = list[0]
		return r.Code == status
	})
	return o
}

// callLimit is time for some calls on a busy machine, each of which gives up
// after a minute and a half.
const callLimit = 3 * time.Minute

// finding waits until the status has a finding about the onion, or has none.
func (w *world) finding(code health.Code, wanted bool) {
	w.Helper()
	w.eventually(fmt.Sprintf("finding %s: %v", code, wanted), 30*time.Second, func() bool {
		return slices.ContainsFunc(w.status().Findings, func(f health.Finding) bool {
			return f.Code == code && strings.Contains(f.Text, "onion reach")
		}) == wanted
	})
}

func callsItself(w *world) {
	defer w.site(anybody)()
	address := w.must("gateway", "tunic", "publish", "reach", "--as", "http", reachTarget)
	o := w.check(0)
	p := o.Ports[0]
	if o.Address != address || o.Visitors != api.Yes || o.Directories == 0 || p.Call == nil || !p.Call.OK || p.Saw != "HTTP 200, a-site" ||
		p.Protocol != "http" {
		w.Errorf("%+v", o)
	}
	w.timed("the call through Tor", time.Duration(p.Call.Seconds*float64(time.Second)))
	if o.Streams != 0 {
		w.Errorf("calls of the box count as %d visitors", o.Streams)
	}
	w.visit("http://"+address+"/", "hello", 30*time.Second)
	if o := w.check(0); o.Streams == 0 {
		w.Error("a visitor does not count")
	}
	if text := w.must("gateway", "tunic", "onions", "reach"); !strings.Contains(text, "reached through Tor") ||
		!strings.Contains(text, "reachable (HTTP 200, a-site)") {
		w.Errorf("onions says %q", text)
	}
}

// looksAtPrivate: the household finds its own private onion by the box's key,
// the box calls it, and who was not let in does not find it.
func looksAtPrivate(w *world) {
	stop := w.site(anybody)
	address := w.must("gateway", "tunic", "publish", "diary", "80="+reachTarget, "--client",
		"3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA")
	defer w.must("gateway", "tunic", "unpublish", "diary")
	w.eventually("the box calls its private onion", callLimit, func() bool {
		return w.exec("gateway", "tunic", "onions", "diary", "--check").Code == 0
	})
	if o := w.onion("diary"); o.Directories == 0 || o.Visitors != api.Yes || len(o.Clients) != 1 {
		w.Errorf("%+v", o)
	}
	w.timed("a device at a private onion of its house", w.fetched("phone", "hello", onionLimit, "http://"+address+"/"))
	if body, ok := w.curl("friend-laptop", 10, "http://"+address+"/"); ok {
		w.Errorf("somebody who was not let in reads %q", body)
	}
	stop()
	if r := w.exec("gateway", "tunic", "onions", "diary", "--check"); r.Code != 3 {
		w.Errorf("with the target down the check ended with status %d", r.Code)
	}
}

func targetDown(w *world) {
	o := w.check(3)
	if p := o.Ports[0]; p.Reachable || p.Error == "" || p.LastUp == nil || !p.Call.OK || o.Visitors != api.Yes {
		w.Errorf("with the target down: %+v", o)
	}
	w.finding(health.TargetUnreachable, true)
	defer w.site(anybody)()
	if p := w.check(0).Ports[0]; !p.Reachable {
		w.Errorf("with the target up again: %+v", p)
	}
	w.finding(health.TargetUnreachable, false)
}

func nameRefused(w *world) {
	defer w.site(func(host string) bool { return host == "photos.lan" })()
	if o := w.check(0); !o.Ports[0].Refuses {
		w.Errorf("%+v", o)
	}
	w.finding(health.NameRefused, true)
}

// noFront takes the front's socket away from tor: the targets are up, the
// descriptor is out, and yet nobody gets in. After some calls the onion is
// published again, once; when the socket is back all is well.
func noFront(w *world) {
	defer w.site(anybody)()
	path := w.paths().Front("reach")
	if err := os.Rename(path, path+".away"); err != nil {
		w.Fatal(err)
	}
	for range 3 {
		if o := w.check(3); o.Visitors != api.No || !o.Ports[0].Reachable || o.Ports[0].Call.Error == "" || o.Ports[0].Call.LastOK == nil {
			w.Errorf("without a front: %+v", o)
		}
	}
	w.finding(health.OnionUnreachable, true)
	w.eventually("the onion is published again", time.Minute, func() bool { return w.onion("reach").Repairs == 1 })
	if err := os.Rename(path+".away", path); err != nil {
		w.Fatal(err)
	}
	w.eventually("the onion is reached again", callLimit, func() bool {
		return w.exec("gateway", "tunic", "onions", "reach", "--check").Code == 0
	})
	if o := w.onion("reach"); o.Repairs != 0 || o.Failures != 0 {
		w.Errorf("after that: %+v", o)
	}
	w.finding(health.OnionUnreachable, false)
}

func (w *world) onion(name string) api.Onion {
	w.Helper()
	for _, o := range w.status().Onions {
		if o.Name == name {
			return o
		}
	}
	w.Fatalf("there is no onion %s", name)
	return api.Onion{}
}

// withheld keeps tor from uploading the descriptor of a new onion.
func withheld(w *world) {
	snippet := filepath.Join(w.paths().TorrcDir(), "withheld.conf")
	file := filepath.Join(w.paths().OnionDir(), "hidden.toml")
	w.write(snippet, "PublishHidServDescriptors 0\n")
	text := "[ports]\n80 = \"" + reachTarget + "\"\n"
	w.write(file, text)
	w.must("gateway", "tunic", "reload")
	defer func() { w.remove(file); w.must("gateway", "tunic", "reload") }()
	r := w.exec("gateway", "tunic", "onions", "hidden", "--check", "--json")
	var list []api.Onion
	if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil || r.Code != 3 || len(list) != 1 {
		w.Fatalf("status %d, %s %s", r.Code, r.Stdout, r.Stderr)
	}
	if o := list[0]; o.Published || o.Directories != 0 || o.Visitors != api.No || o.Ports[0].Call == nil ||
		!strings.Contains(o.Ports[0].Call.Error, "no directory") {
		w.Errorf("%+v", o)
	}
	w.remove(snippet)
	w.remove(file) // tor looks at an onion that it did not upload once an hour; one that is new it uploads at once
	w.must("gateway", "tunic", "reload")
	w.write(file, text)
	w.must("gateway", "tunic", "reload")
	defer w.site(anybody)()
	w.eventually("the onion is found once tor may upload", callLimit, func() bool {
		return w.exec("gateway", "tunic", "onions", "hidden", "--check").Code == 0
	})
}

func torKilled(w *world) {
	defer w.site(anybody)()
	w.signal(syscall.SIGKILL, "tor")
	r := w.exec("gateway", "tunic", "onions", "reach", "--check")
	if r.Code != 3 || !strings.Contains(r.Stderr, "not reachable: reach") {
		w.Errorf("without tor the check ended with status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.ready()
	w.eventually("the onion is reached again", callLimit, func() bool {
		return w.exec("gateway", "tunic", "onions", "reach", "--check").Code == 0
	})
}
