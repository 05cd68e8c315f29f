//go:build lab

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab"
)

// balanceVariable is how many boxes `make balance` kills; without it there is
// nobody who balances.
const balanceVariable = "TUNIC_BALANCE"

// How long a visitor may wait after a box of several was killed: one whose
// introduction a relay still took for the dead box, as long as their tor waits for
// that box to come (decision 34), and then a try.
const (
	balanceLimit = time.Minute
	vainWait     = 181 * time.Second
	vainLimit    = vainWait + 2*visitLimit*time.Second
)

// balanced is one onion that three boxes serve: what docs/balance.md has an
// operator make.
type balanced struct {
	*world
	boxes  []string
	master string // the address of all
	log    string // onionbalance's
}

// testBalance: one address over three boxes, of which one after the other is
// killed and comes back.
func testBalance(w *world) {
	kills, err := strconv.Atoi(os.Getenv(balanceVariable))
	if err != nil {
		w.Fatal(err)
	}
	w.turnOn("c-gateway")
	w.Cleanup(func() { w.turnOff("c-gateway") })
	keys := map[string]map[string]string{"balancer": nil, "known": nil, "others": nil}
	for i := range kills {
		keys[newcomer(i)] = nil
	}
	v := w.visitors(keys)
	defer v["others"].others()() // without them a relay may keep the end of a known visitor's circuit
	b := w.balance(v["balancer"])
	w.timed("from the start of onionbalance to the first page", b.untilVisited(v["known"], 3*time.Minute))
	b.control(v["known"])
	var known, fresh []time.Duration
	for i := range kills {
		served := b.visit(v["known"])
		if served == "" {
			w.Fatalf("kill %d: nobody serves before it", i+1)
		}
		w.killBox(served)
		one, other := b.untilVisitedBoth(v["known"], v[newcomer(i)])
		known, fresh = append(known, one), append(fresh, other)
		w.Logf("kill %d: %s, which served the visitor: known visitor %.1f s, new visitor %.1f s",
			i+1, served, one.Seconds(), other.Seconds())
		w.turnOn(served)
		b.complete()
	}
	w.Logf("balance: %d kills: a known visitor waited %s, a new one %s", kills, span(known), span(fresh))
}

func newcomer(i int) string { return fmt.Sprintf("new%d", i) }

// span is the shortest and the longest of several durations.
func span(list []time.Duration) string {
	return fmt.Sprintf("%.1f to %.1f s", slices.Min(list).Seconds(), slices.Max(list).Seconds())
}

// balance follows docs/balance.md: a key and a configuration by
// onionbalance-config, an onion on each box, and onionbalance beside a tor.
func (w *world) balance(beside *visitor) balanced {
	w.Helper()
	dir := filepath.Join(w.lab.Dir(), "onionbalance")
	w.must(lab.InternetNode, "onionbalance-config", "--hs-version", "v3", "-n", "3", "--no-interactive", "--output", dir)
	found, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil || len(found) != 1 {
		w.Fatalf("onionbalance-config made the keys %q, %v", found, err)
	}
	b := balanced{world: w, boxes: []string{"gateway", "friend", "c-gateway"}, log: w.lab.LogFile("onionbalance"),
		master: strings.TrimSuffix(filepath.Base(found[0]), ".key") + ".onion"}
	file := filepath.Join(dir, "config.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	for _, box := range b.boxes {
		b.publish(box)
		text = []byte(strings.Replace(string(text), "<Enter the instance onion address here>", w.must(box, "tunic", "address", "club"), 1))
	}
	w.write(file, string(text))
	root, err := filepath.Abs("testdata/testnet.py")
	if err != nil {
		w.Fatal(err)
	}
	p, err := w.lab.Start(lab.InternetNode, "onionbalance", "/usr/bin/python3", root, "--is-testnet", "-v", "info",
		"-s", beside.control(), "-c", file)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = syscall.Kill(p.PID, syscall.SIGKILL) })
	return b
}

// publish has a box serve the onion, until the test ends.
func (b balanced) publish(box string) {
	b.Helper()
	file := filepath.Join(config.NewPaths(b.lab.Root(box)).OnionDir(), "club.toml")
	b.write(file, fmt.Sprintf("balance = %q\n\n[ports]\n70 = \"endpoint:gopher\"\n", b.master))
	b.must(box, "tunic", "reload")
	b.Cleanup(func() { b.must(box, "tunic", "unpublish", "club", "--forget-key", "--yes") })
	if err := b.lab.WaitReady(b.ctx, box, nil); err != nil {
		b.Fatal(err)
	}
}

// visitLimit is how many seconds a visitor waits for a page before they try again.
const visitLimit = 10

// visit asks for a page by a circuit of its own, and returns the box that answered.
func (b balanced) visit(v *visitor) string {
	b.Helper()
	return b.visitAt(v, b.master)
}

func (b balanced) visitAt(v *visitor, address string) string {
	b.Helper()
	r, err := b.lab.Exec(b.ctx, lab.InternetNode, v.args(visitLimit, "gopher://"+address+"/0/welcome.txt")...)
	if err != nil {
		b.Error(err)
		return ""
	}
	_, name, _ := strings.Cut(strings.TrimSpace(r.Stdout), "Welcome to the box called ")
	name, _, _ = strings.Cut(name, ".")
	if r.Code != 0 || !slices.Contains(b.boxes, name) {
		return ""
	}
	return name
}

func (b balanced) untilVisited(v *visitor, limit time.Duration) time.Duration {
	b.Helper()
	return b.eventually(v.name+" reads a page", limit, func() bool { return b.visit(v) != "" })
}

// untilVisitedBoth has both visitors try at the same time, each until they have a page.
func (b balanced) untilVisitedBoth(known, fresh *visitor) (one, other time.Duration) {
	b.Helper()
	done := make(chan time.Duration, 1)
	go func() { done <- b.wait(fresh) }()
	one = b.wait(known)
	return one, <-done
}

// wait returns how long a visitor tried before they had a page, and says what
// their tor did if that was longer than they may.
func (b balanced) wait(v *visitor) time.Duration {
	b.Helper()
	begin := time.Now()
	for b.visit(v) == "" {
		limit := balanceLimit
		if strings.Contains(tail(v.log(), 40), inVain) {
			limit = vainLimit
		}
		if time.Since(begin) > limit {
			b.Errorf("%s reads no page in %.1f s; their tor said:\n%s", v.name, time.Since(begin).Seconds(), tail(v.log(), 150))
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}

// inVain is what tor says while it waits for an onion that was asked to come.
const inVain = "already here, with intro ack. Stalling"

// complete waits until the address leads to all boxes again.
func (b balanced) complete() {
	b.Helper()
	text, err := os.ReadFile(b.log)
	if err != nil {
		b.Fatal(err)
	}
	seen := len(text)
	b.eventually("onionbalance publishes all boxes", 3*time.Minute, func() bool {
		text, err := os.ReadFile(b.log)
		return err == nil && strings.Contains(string(text[seen:]), "intros from 3 instances")
	})
}

// control shows that the option is needed: a box without it is found by its own
// address, and takes nobody who comes by that of all.
func (b balanced) control(v *visitor) {
	b.Helper()
	for _, box := range b.boxes {
		b.withoutOption(box, true)
	}
	b.complete()
	b.pause(balanceControl)
	b.must(lab.InternetNode, "python3", "-c", newCircuits, v.control())
	if got := b.visit(v); got != "" {
		b.Errorf("%s serves the address of all without being told to", got)
	}
	if got := b.visitAt(v, b.must("friend", "tunic", "address", "club")); got != "friend" {
		b.Errorf("by the address of one box a visitor came to %q", got)
	}
	for _, box := range b.boxes {
		b.withoutOption(box, false)
	}
	b.complete()
	b.must(lab.InternetNode, "python3", "-c", newCircuits, v.control())
	b.timed("with the option again, to the next page", b.untilVisited(v, 2*time.Minute))
}

// balanceControl is time for what Onionbalance has published of the boxes as
// they are now to get to the directories.
const balanceControl = 5 * time.Second

// newCircuits has a tor forget what it knows of onions (control-spec, SIGNAL NEWNYM).
const newCircuits = `import sys, socket
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"AUTHENTICATE\r\nSIGNAL NEWNYM\r\nQUIT\r\n")
text = s.makefile().read()
sys.exit(text.count("250 OK") < 2)`

// withoutOption takes the line from the onion's file, or puts it back.
func (b balanced) withoutOption(box string, without bool) {
	b.Helper()
	file := filepath.Join(config.NewPaths(b.lab.Root(box)).OnionDir(), "club.toml")
	line := fmt.Sprintf("balance = %q\n", b.master)
	if without {
		line = ""
	}
	b.write(file, line+"\n[ports]\n70 = \"endpoint:gopher\"\n")
	b.must(box, "tunic", "reload")
	if err := b.lab.WaitReady(b.ctx, box, nil); err != nil {
		b.Fatal(err)
	}
}

// killBox kills all processes of a box at once: nobody says goodbye, and nobody
// starts the others again.
func (w *world) killBox(box string) {
	w.Helper()
	w.signalOn(box, syscall.SIGKILL, "tunic", "run")
	w.eventually("all of "+box+" is gone", 30*time.Second, func() bool {
		tunic, tor := w.signalOn(box, syscall.SIGKILL, "tunic"), w.signalOn(box, syscall.SIGKILL, "tor")
		return tunic+tor == 0
	})
}
