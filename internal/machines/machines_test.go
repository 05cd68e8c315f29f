//go:build machines

package machines

import (
	"os"
	"strings"
	"testing"
	"time"
)

// reportVariable names the file that the results of the long form are written
// to; without it the short form runs.
const reportVariable = "TUNIC_MACHINES_REPORT"

// scenario is something that happens to a box. Before it the box is on and
// protects the household, and so it is again afterwards.
type scenario struct {
	name string
	do   func(*world)
	long bool // only in the long form
	open bool // the household is outside tunic for a while: what leaves is no leak
}

// purged takes tunic away: the machine is measured before it.
const purged = "purge"

var scenarios = []scenario{
	{"install, by the README's steps", install, false, true},
	{"boot", boot, false, false},
	{"protected", func(w *world) { w.protected() }, false, false},
	{"IMAP login", imapLogin, false, false},
	{"XMPP login", xmppLogin, false, false},
	{"IRC login", ircLogin, false, false},
	{"processes have no more than they need", confined, false, false},
	{"profiles of both processes", sampled, false, false},
	{"the page, and a site that is tried", pageAndTry, false, false},
	{"somebody who may look", onlyLooks, false, false},
	{"a child that was taken over", drill, false, false},
	{"publish and fetch", publishAndFetch, true, false},
	{"certificates of an onion", onionCertificates, true, false},
	{"a service for a friend", serviceForFriend, true, false},
	{"files both ways, and what dies meanwhile", sentWhole, true, false},
	{"mail to a friend", mailToFriend, true, false},
	{"port scan from the internet", fromOutside, true, false},
	{"restart of nftables", func(w *world) { w.restarted("nftables") }, false, false},
	{"restart of systemd-networkd", func(w *world) { w.restarted("systemd-networkd") }, true, false},
	{"ufw enabled", ufw, true, false},
	{"NetworkManager, and its hotspot", networkManager, true, false},
	{"reboot", reboot, false, false},
	{"ten reboots", tenReboots, true, false},
	{"power cut", powerCut, false, false},
	{"stop", stop, true, false},
	{"start", start, true, false},
	{"upgrade", upgrade, false, false},
	{"no internet", noInternet, true, false},
	{"boot without internet", bootWithoutInternet, true, false},
	{"wrong interface", wrongInterface, true, false},
	{"remove, and install again", remove, false, true},
	{purged, purge, false, true},
	{"install and uninstall from the source", fromSource, true, true},
	{"install beside the router, with one cable", installBeside, true, true},
	{"reboot, flush, stop, start and power cut there", beside, true, false},
}

// TestMachines installs tunic on each Debian, boots it, and has happen to it
// what happens to a box, while a device sends what must not leave.
func TestMachines(t *testing.T) {
	w := newWorld(t, Releases, usual)
	long := os.Getenv(reportVariable) != ""
	for _, r := range Releases {
		t.Run(r.Codename, func(t *testing.T) {
			w := w.in(t)
			w.newMachine(r)
			w.boot()
			for _, s := range scenarios {
				if s.long && !long {
					continue
				}
				if long && s.name == purged {
					w.report.figures(w.in(t))
				}
				if !t.Run(s.name, func(t *testing.T) { w.in(t).play(s) }) && s.name == scenarios[0].name {
					t.FailNow() // there is nothing to try
				}
			}
		})
	}
	if path := os.Getenv(reportVariable); path != "" {
		if err := os.WriteFile(path, []byte(w.report.page()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// linkLines is how much of the link's own business is told beside a leak.
const linkLines = 80

// play has a scenario happen and counts what left meanwhile.
func (w *world) play(s scenario) {
	w.Helper()
	wan, lan := w.wan.MustMark(w), w.lan.MustMark(w)
	begin := time.Now()
	s.do(w)
	took := time.Since(begin)
	w.Logf("time: %s: %s: %.1f s", w.release.Codename, s.name, took.Seconds())
	if s.open {
		w.report.add(s.name, w.release, took, -1)
		return
	}
	leaked := w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter(box))
	if sent := w.lan.MustLines(w, lan, "ether src 02:00:00:0a:00:10 and (udp or icmp or icmp6)"); len(sent) == 0 {
		w.Error("the phone has sent nothing: that nothing leaked says nothing")
	}
	if len(leaked) > 0 {
		w.Errorf("%d packets leaked, the first: %s", len(leaked), leaked[0])
		link := w.wan.MustLines(w, wan, "icmp6 or arp")
		w.Logf("what was said on the link meanwhile:\n%s", strings.Join(link[:min(len(link), linkLines)], "\n"))
	}
	w.report.add(s.name, w.release, took, len(leaked))
}
