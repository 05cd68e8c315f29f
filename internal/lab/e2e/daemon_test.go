//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/config"
)

// testDaemon is about the process itself.
func testDaemon(w *world) {
	w.ready() // the test before may have had tor started again
	w.run("a second daemon is refused", secondDaemon)
	w.run("plan shows what changes and changes nothing", plan)
	w.run("a reload with a mistake changes nothing", badReload)
	w.run("profiles of both processes", samples)
	w.run("serve dies, nothing else does", serveDies)
	w.run("the daemon is killed and starts again", killed)
}

func secondDaemon(w *world) {
	r := w.exec("gateway", "tunic", "run")
	if r.Code != 1 || !strings.Contains(r.Stderr, "a tunic daemon") {
		w.Errorf("it ended with status %d: %s", r.Code, r.Stderr)
	}
}

func plan(w *world) {
	before := w.saveRules().canonical()
	w.write(w.device("laptop"), deviceText("02:00:00:0a:00:11", config.PolicyDirect))
	defer w.noPolicy("laptop")
	got := strings.Split(w.must("gateway", "tunic", "plan"), "\n")
	rule := " mangle TUNIC-DEVICE -m mac --mac-source 02:00:00:0a:00:11 -j CONNMARK --set-xmark 0x3000000/0xf000000"
	if want := []string{"devices/laptop.toml: laptop goes direct, outside Tor", "in detail:", "+ file devices/laptop.toml", "+ ip4" + rule,
		"+ ip6" + rule}; !slices.Equal(got, want) {
		w.Errorf("the plan is %q, want %q", got, want)
	}
	if w.saveRules().canonical() != before {
		w.Error("plan has changed the rules")
	}
}

func badReload(w *world) {
	before := w.saveRules().canonical()
	path := w.device("laptop")
	w.write(path, "mac = \"02:00:00:0a:00:11\"\npolicy = \"drect\"\ncolour = \"red\"\n")
	defer w.noPolicy("laptop")
	r := w.exec("gateway", "tunic", "reload")
	if r.Code != 2 || !strings.Contains(r.Stderr, path+":2") || !strings.Contains(r.Stderr, "colour") {
		w.Errorf("reload ended with status %d: %s", r.Code, r.Stderr)
	}
	if w.saveRules().canonical() != before {
		w.Error("it has changed the rules")
	}
	w.arrives()
}

// serveDies: the resolver is back within two seconds; tor, the rules and the
// addresses do not notice.
func serveDies(w *world) {
	before, tors := w.saveRules().canonical(), w.pids("tor")
	w.one(syscall.SIGKILL, "tunic", "serve")
	took := w.eventually("the resolver is back", 30*time.Second, func() bool {
		reply, err := w.question(w.phone, "udp", box4, "web.example", dns.TypeA, 500*time.Millisecond)
		return err == nil && len(answers(reply)) == 1
	})
	w.timed("killed serve to the first answer of the resolver", took)
	if took > 2*time.Second {
		w.Errorf("the resolver was away for %v", took)
	}
	if now := w.pids("tor"); !slices.Equal(now, tors) {
		w.Errorf("tor was process %d and is %d", tors, now)
	}
	if w.saveRules().canonical() != before {
		w.Error("the rules have changed")
	}
	w.ready()
}

func killed(w *world) {
	key := filepath.Join(w.paths().OnionKeys(config.HomeOnion), "hostname")
	before, err := os.ReadFile(key)
	if err != nil {
		w.Fatal(err)
	}
	w.stop(syscall.SIGKILL)
	w.start()
	w.arrives()
	address := w.must("gateway", "tunic", "address", "home")
	if address != strings.TrimSpace(string(before)) {
		w.Errorf("the box is %s, and was %s", address, before)
	}
	took := w.fetched("friend-laptop", "Welcome to the box called gateway", 60*time.Second, "gopher://"+address+"/0/welcome.txt")
	w.timed("ready to the friend's first page of our Gopher hole", took)
}
