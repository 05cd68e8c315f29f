//go:build lab

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/internal/lab/house"
)

// others are rules as other programs leave them on a router, for iptables and
// ip6tables; the tables are theirs too.
const others = `*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:ufw-before-forward - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -j ufw-before-forward
-A INPUT -i wan -p tcp -m tcp --dport 4242 -j DROP
-A OUTPUT -p tcp -m tcp --dport 4242 -m comment --comment "-j TUNIC-OUTPUT is no hook" -j ACCEPT
-A DOCKER-USER -j RETURN
-A ufw-before-forward -p tcp -m tcp --dport 4242 -j ACCEPT
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A POSTROUTING -o nowhere -j MASQUERADE
COMMIT
*mangle
-A FORWARD -o wan -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
`

// fw4 is a table of OpenWrt's firewall, firewalld's or a person's own: it is
// not one of iptables'.
const fw4 = `table inet fw4 {
	chain forward {
		type filter hook forward priority filter; policy accept;
		tcp dport 4242 counter accept comment "canary"
	}
}
`

// testBeside: other programs' rules and the owner's port forward outlive all
// that tunic does, to the letter.
func testBeside(w *world) {
	defer w.mirror()()
	before := w.saveRules()
	w.must("gateway", "sh", "-c", "nft -f - <<'END'\n"+fw4+"END")
	for _, tool := range house.Tools {
		w.must("gateway", "sh", "-c", tool+"-restore -w --noflush <<'END'\n"+others+"END")
	}
	undo := w.forwardPort()
	defer func() {
		undo()
		w.must("gateway", "nft", "delete", "table", "inet", "fw4")
		w.restoreRules(before)
		w.must("gateway", "tunic", "reload")
		w.ready()
		w.arrives()
	}()
	want := w.foreignRules()
	same := func(when string) {
		w.Helper()
		if got := w.foreignRules(); got != want {
			w.Errorf("%s the rules of others are\n%s\nand were\n%s", when, got, want)
		}
		if err := forwarded(w); err != nil {
			w.Errorf("%s the port forward is closed: %v", when, err)
		}
	}
	same("at first")
	w.policy("laptop", "block")
	same("after a reload")
	w.noPolicy("laptop")
	w.stop(syscall.SIGKILL)
	same("after a crash")
	w.start()
	same("after the next start")
	w.stop(syscall.SIGTERM)
	if got := w.foreignRules(); got != want { // the household is closed: no port forward
		w.Errorf("after a stop the rules of others are\n%s\nand were\n%s", got, want)
	}
	w.must("gateway", "tunic", "teardown", "--yes")
	same("after teardown")
	if rules := fmt.Sprint(w.saveRules()); strings.Contains(strings.ReplaceAll(rules, `"-j TUNIC-OUTPUT is no hook"`, ""), "TUNIC-") {
		w.Errorf("after teardown there are rules of tunic's:\n%s", rules)
	}
	if group := w.must("gateway", "ip", "link", "show", "group", "7632238"); group != "" {
		w.Errorf("after teardown an interface is in the group:\n%s", group)
	}
	w.start()
	same("after all")
	w.stored(want)
}

// stored loads the rules as netfilter-persistent does at boot: what was there
// is flushed, tunic's chains of another day come back with the others'. The
// daemon puts its own in order.
func (w *world) stored(want string) {
	w.Helper()
	saved := w.saveRules()
	stale := maps.Clone(saved)
	for tool, text := range stale {
		stale[tool] = strings.Replace(text, "-A TUNIC-POLICY -j TUNIC-REFUSE\n", "-A TUNIC-POLICY -j ACCEPT\n", 1)
		if stale[tool] == text {
			w.Fatal("there is no rule to change")
		}
	}
	w.restoreRules(stale)
	w.eventually("the rules of another day are replaced", 30*time.Second, func() bool {
		return w.saveRules().canonical() == saved.canonical()
	})
	if got := w.foreignRules(); got != want {
		w.Errorf("the rules of others are\n%s\nand were\n%s", got, want)
	}
}

// foreignRules are all rules that are not tunic's, without counters.
func (w *world) foreignRules() string {
	w.Helper()
	var lines []string
	saved := w.saveRules()
	for _, tool := range slices.Sorted(maps.Keys(saved)) {
		for line := range strings.Lines(saved[tool]) {
			line = strings.TrimSpace(line)
			ours := strings.Contains(line, "TUNIC-") && !strings.Contains(line, "is no hook")
			chain := strings.HasPrefix(line, ":") && strings.Contains(line, " - ")
			if !ours && (strings.HasPrefix(line, "-A") || strings.HasPrefix(line, "*") || chain) {
				lines = append(lines, strings.Split(line, " [")[0])
			}
		}
	}
	return strings.Join(lines, "\n") + "\n" + w.must("gateway", "nft", "-s", "list", "table", "inet", "fw4")
}
