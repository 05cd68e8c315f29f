//go:build lab

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tunic/gateway/health"
	"tunic/internal/lab/house"
)

// part is one of the suite's tests. It leaves the house as it found it, so that
// each runs alone and after any other; where it does not, it fails.
type part struct {
	name string
	// needs are programs that it runs, beyond those that every part uses; and, as
	// "$NAME", a variable without which it does not run: see the Makefile.
	needs []string
	// disturbs is what it cannot leave as it was, by the beginning of its name in
	// house.Look.
	disturbs []string
	test     func(*world)
}

// The findings that tell of the past: another program has changed the rules, in
// the last ten minutes; a device has used a port in clear, or Tor itself, in the
// last day.
const (
	drift   = "gateway: finding " + string(health.RulesDrift)
	inClear = "gateway: finding " + string(health.CleartextPort)
	ownTor  = "gateway: finding " + string(health.TorOverTor)
)

// parts are all, in their order: the last ones disturb most.
func parts() []part {
	return []part{
		{name: "route", test: testRoute},
		{name: "names", test: testNames},
		{name: "blocked", test: blocked},
		{name: "socks", test: testSOCKS},
		{name: "try", test: testTry},
		{name: "isolation", test: testIsolation},
		{name: "onions", test: testOnions},
		{name: "mail", needs: []string{"dovecot", "openssl"}, test: testMail},
		{name: "page", test: testPage},
		{name: "private onions", needs: []string{"dovecot", "openssl", "torsocks"}, test: testPrivate},
		{name: "identity", test: testIdentity},
		{name: "policies", test: testPolicies},
		{name: "leftovers", test: testLeftovers},
		{name: "beside", disturbs: []string{drift}, test: testBeside},
		{name: "outside", test: testOutside}, // and those of whileOutside in it
		{name: "devices", test: testDevices},
		{name: "refusals", test: testRefusals},
		{name: "around", disturbs: []string{inClear}, test: testAround},
		{name: "named", test: testNamed},
		{name: "leaks", disturbs: []string{inClear}, test: testLeaks},
		{name: "mutants", disturbs: []string{drift, inClear}, test: testMutants},
		{name: "wall", disturbs: []string{drift}, test: testWall},
		{name: "states", disturbs: []string{drift, inClear}, test: testStates},
		{name: "reload under load", test: testLoad},
		{name: "crowded", test: testCrowded},
		{name: "over tor", disturbs: []string{ownTor}, test: testOverTor},
		{name: "bridges", needs: []string{"obfs4proxy"}, test: testBridges},
		{name: "peers", needs: []string{"lynx", "wget"}, test: testPeers},
		{name: "services", needs: []string{"nc", "sshd", "socat"}, test: testServices},
		{name: "smtp", needs: []string{"swaks", "mutt", "msmtp"}, test: testSMTP},
		{name: "talk", needs: []string{"go-sendxmpp", "profanity", "irssi", "tmux", "socat", "swaks"}, test: testTalk},
		{name: "upgrade", test: testUpgrade},
		{name: "daemon", test: testDaemon},
		{name: "clock", needs: []string{"faketime"}, test: testClock},
		{name: "three peers", needs: []string{"$TUNIC_LONG", "go-sendxmpp", "swaks"}, test: testThreePeers},
		{name: "away", needs: []string{"$TUNIC_LONG", "dovecot", "go-sendxmpp", "socat", "torsocks", "openssl"}, test: testAway},
		{name: "smtp chaos", needs: []string{"$" + chaosVariable, "swaks"}, test: testSMTPChaos},
		{name: "balance", needs: []string{"$" + balanceVariable, "onionbalance", "python3"}, disturbs: []string{"c-gateway: "},
			test: testBalance},
		{name: "i2p", needs: []string{"$" + i2pVariable, "i2pd"}, disturbs: []string{drift, inClear}, test: testI2P},
		{name: "notices", needs: []string{"$" + jobsVariable, "dovecot"}, test: testNotices},
		{name: "jobs", needs: []string{"$" + jobsVariable, "obfs4proxy", "faketime"}, disturbs: []string{drift}, test: testJobs},
		{name: "crowd", needs: []string{"$" + crowdVariable}, test: testCrowd},
		{name: "soak", needs: []string{"$" + soakVariable, "go-sendxmpp"}, test: testSoak},
		{name: "filter", needs: []string{"$" + coexistVariable, "dnsmasq"}, test: testFilter},
		{name: "wireguard", needs: []string{"$" + coexistVariable, "wireguard-go", "wg-quick"}, disturbs: []string{drift},
			test: testWireGuard},
		{name: "systems", needs: []string{"$" + systemsVariable, "diodcat", "gpg", "rlwrap"}, test: testSystems},
		{name: "mesh", needs: []string{"$" + meshVariable, "yggdrasil", "socat", "nc"}, disturbs: []string{inClear}, test: testMesh},
		{name: "browser", needs: []string{"$" + browserVariable, "node", "chromium", "certutil", "cwebp"}, test: testBrowser},
		{name: "the check", test: testCheck},
		{name: "move", needs: []string{"$TUNIC_LONG"}, disturbs: []string{"gateway: ", "c-gateway: "}, test: testMove},
	}
}

// whileOutside are the parts that run in outside, which has time.
func whileOutside() []part {
	return []part{
		{name: "reach", test: testReach},
		{name: "behind onions", test: testBehind},
		{name: "many onions", test: testMany},
	}
}

// part runs a part, if what it needs was asked for, and looks at the house
// before and after.
func (w *world) part(p part) {
	if !p.wanted() {
		return
	}
	w.Run(p.name, func(t *testing.T) {
		p.mustHavePrograms(t)
		w := w.in(t)
		before := w.look()
		t.Cleanup(func() { // after the part's own
			for _, change := range w.leftBehind(before, p.disturbs...) {
				t.Errorf("%s has left behind: %s", p.name, change)
			}
		})
		p.test(w)
	})
}

func (p part) wanted() bool {
	for _, need := range p.needs {
		if name, ok := strings.CutPrefix(need, "$"); ok && os.Getenv(name) == "" {
			return false
		}
	}
	return true
}

func (p part) mustHavePrograms(t *testing.T) {
	t.Helper()
	for _, need := range p.needs {
		if strings.HasPrefix(need, "$") {
			continue
		}
		if _, err := exec.LookPath(need); err != nil {
			t.Fatalf("%v: `make lab-deps` installs what the tests need", err)
		}
	}
}

// look is how all boxes stand now.
func (w *world) look() house.Look {
	w.Helper()
	look, err := house.LookAt(w.ctx, w.lab, w.lab.Plan().Gateways()...)
	if err != nil {
		w.Fatal(err)
	}
	return look
}

// settleLimit is how long the boxes may take to stand as before: a finding ends
// at the daemon's next look. A house that is as before costs no time.
const settleLimit = 10 * time.Second

// leftBehind are the changes since before that do not end by themselves.
func (w *world) leftBehind(before house.Look, disturbs ...string) []string {
	w.Helper()
	for begin := time.Now(); ; w.pause(500 * time.Millisecond) {
		changes := before.Changes(w.look(), disturbs...)
		if took := time.Since(begin); len(changes) == 0 || took > settleLimit {
			w.timed("the house is as before", took)
			return changes
		}
	}
}
