package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/networks"
	"tunic/gateway/health"
	"tunic/gateway/machine"
	"tunic/internal/leaktest"
)

// files reads the configuration, as check does.
func (d *doctor) files(ctx context.Context) (list []diagnosis) {
	const area = "configuration"
	c, err := config.Load(d.paths())
	if err != nil {
		return d.mistakes(area, err)
	}
	d.config = c
	if err := entry.CheckSnippets(d.paths(), c); err != nil {
		list = append(list, fail(area, "correct the lines in "+d.paths().TorrcDir(), "%v", err))
	}
	if _, err := entry.Find(c); err != nil {
		list = append(list, fail(area, "tor is not started without it", "%v", err))
	}
	for _, err := range d.lacking(ctx, c) {
		list = append(list, warning(area, "install it; tunic finds it by itself", "%v", err))
	}
	list = append(list, d.findings(area, health.ConfigInvalid)...)
	if len(list) == 0 {
		list = append(list, fine(area, "the files have no mistake, and the programs that they need are here"))
	}
	return list
}

// mistakes are those of the configuration, one by one, each with its hint.
func (d *doctor) mistakes(area string, err error) (list []diagnosis) {
	if d.notSetUp() {
		return []diagnosis{fail(area, notSetUp, "there is no %s", d.paths().Main())}
	}
	wrong, _ := errors.AsType[config.Errors](err)
	for _, one := range wrong {
		hint := one.Hint
		one.Hint = ""
		list = append(list, fail(area, hint, "%v", one))
	}
	if len(list) == 0 {
		list = append(list, fail(area, "", "%v", err))
	}
	if last := &list[len(list)-1]; last.Action == "" {
		last.Action = "correct the file; `tunic check` says whether it is right"
	}
	return list
}

// daemon asks for the status.
func (d *doctor) daemon(ctx context.Context) []diagnosis {
	const area = "daemon"
	s, err := d.client().Status(ctx)
	switch {
	case errors.Is(err, api.ErrNotRunning) && d.notSetUp():
		return []diagnosis{fail(area, notSetUp, "the daemon does not run")}
	case errors.Is(err, api.ErrNotRunning):
		return []diagnosis{fail(area, notRunning+"; what only it can see is left out here", "the daemon does not run")}
	case err != nil:
		return []diagnosis{fail(area, "see journalctl -u tunic", "the daemon does not answer: %v", err)}
	}
	d.status = &s
	if s.State != api.Open {
		return []diagnosis{fail(area, "the lines below say more", "the household is off line: %s", strings.TrimSpace(s.Why))}
	}
	return []diagnosis{fine(area, "it runs since %s, and the household is on line", moment(s.Since))}
}

// network compares the configuration with the interfaces, as the daemon does.
func (d *doctor) network(ctx context.Context) (list []diagnosis) {
	const area = "network"
	if d.config == nil {
		return nil
	}
	around, err := machine.Kernel{}.Surroundings(ctx, d.config.Household.Interfaces)
	if err != nil && len(around.Links) == 0 {
		return []diagnosis{fail(area, "", "the interfaces of this box were not read: %v", err)}
	}
	for _, f := range networks.Surroundings(d.config, around) {
		d.told[f.Code] = true
		list = append(list, ofFinding(area, f))
	}
	list = append(list, d.findings(area, health.NoAddress, health.ForwardingOff, health.OtherRouter, health.RouterBeside,
		health.OtherFirewall)...)
	if len(list) > 0 {
		return list
	}
	for _, l := range around.Links {
		switch {
		case l.Household:
			list = append(list, fine(area, "the household is at %s", l.Words()))
		case l.Default:
			list = append(list, fine(area, "the internet is at %s", l.Words()))
		}
	}
	return list
}

// tor says how far tor is, and what holds it up.
func (d *doctor) tor(context.Context) []diagnosis {
	const area = "tor"
	list := d.findings(area, health.TorMissing, health.TorOld, health.TorNotReady, health.TorDown, health.TorRefused, health.TorAway,
		health.FastTorDown, health.TransportMissing, health.GeoIPMissing)
	if d.status == nil {
		return nil
	}
	t := d.status.Tor
	failed := slices.ContainsFunc(list, func(d diagnosis) bool { return d.State == stateFail })
	switch {
	case t.Running && t.Bootstrap == 100 && !failed:
		return append([]diagnosis{fine(area, "Tor %s is connected", t.Version)}, list...)
	case t.Running && t.Bootstrap < 100:
		list = append(list, fail(area, "", "Tor hangs at %d %%: %s", t.Bootstrap, hangs(t.Bootstrap)))
	}
	return list
}

// hangs says what tor waits for at a stage of its start (control-spec, "Bootstrap
// phases").
func hangs(percent int) string {
	switch {
	case percent < 5:
		return "the program of the bridges is not connected: the bridges are off or blocked, or their lines are wrong"
	case percent < 10:
		return "no relay answers: this box has no internet, or its provider blocks Tor, against which bridges help ([tor] bridges)"
	case percent < 15:
		return "a relay answers, and what it says is not Tor: something on the way lets no Tor through; bridges help ([tor] bridges)"
	case percent < 50:
		return "a relay answers, and gives no list of relays that this box believes: most often its clock is wrong"
	case percent < 75:
		return "the list of relays is being loaded: on a slow line that takes minutes"
	}
	return "the list of relays is here, and no circuit can be built: the line loses much, or the relays that tor has chosen are away; " +
		"wait some minutes"
}

// bridges tells of each by its place in the file: what they are is a secret.
func (d *doctor) bridges(context.Context) (list []diagnosis) {
	const area = "bridges"
	silent := d.findings(area, health.BridgeUnreached)
	if d.status == nil || d.config == nil {
		return silent
	}
	for i, b := range d.config.Tor.Bridges {
		name := fmt.Sprintf("bridge %d", i+1)
		n := slices.IndexFunc(d.status.Findings, func(f health.Finding) bool {
			return f.Code == health.BridgeUnreached && f.Subject == name
		})
		switch {
		case n >= 0:
			list = append(list, ofFinding(area, d.status.Findings[n]))
		case d.status.Tor.Bootstrap < 100:
			list = append(list, warning(area, "wait; tor tries it some times before it gives up on it",
				"bridge %d (%s): no answer yet", i+1, b.TransportName()))
		default:
			list = append(list, fine(area, "bridge %d (%s): nothing is known against it", i+1, b.TransportName()))
		}
	}
	return list
}

func (d *doctor) clock(context.Context) []diagnosis {
	const area = "clock"
	list := d.findings(area, health.ClockSkew, health.ClockUntrusted)
	if d.status != nil && len(list) == 0 {
		list = append(list, fine(area, "it is right: %s", clockWords(d.status.Clock)))
	}
	return list
}

// cable asks on the household's interfaces, as a new device does, who else is there to
// give addresses or to be a router.
func (d *doctor) cable(context.Context) (list []diagnosis) {
	const area = "household"
	if d.config == nil {
		return nil
	}
	for _, name := range d.config.Household.Interfaces {
		own, six, err := addressesOf(name)
		if err != nil {
			continue // network has told that it is missing
		}
		answers, err := leaktest.AskAround(name, six)
		if err != nil {
			list = append(list, warning(area, "look on a device which gateway and DNS server it has",
				"%s: who else gives addresses there was not asked: %v", name, err))
			continue
		}
		list = append(list, answersWords(area, name, answers, own, d.config.Household.OneArm)...)
	}
	return list
}

// addressesOf are those of an interface, and whether it has an IPv6 one.
func addressesOf(name string) (own []netip.Addr, six bool, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, false, err
	}
	addrs, err := i.Addrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own, six = append(own, p.Addr()), six || p.Addr().Is6()
		}
	}
	return own, six, err
}

// answersWords fails for whoever names a router or a DNS server that is not this box.
func answersWords(area, name string, answers []leaktest.Answer, own []netip.Addr, beside bool) (list []diagnosis) {
	for _, a := range answers {
		if other := a.Elsewhere(own); len(other) > 0 {
			action := "switch it off there, or have it name this box as gateway and DNS server"
			list = append(list, fail(area, action, "%s: %s sends devices by %s to %s, past this box and outside Tor", name, a.From, a.By,
				joined(other)))
		}
	}
	if len(list) > 0 {
		return list
	}
	if len(answers) == 0 && beside {
		return []diagnosis{warning(area, "somebody has to give devices this box as gateway and DNS server",
			"%s: nobody answers who gives addresses to devices", name)}
	}
	return []diagnosis{fine(area, "%s: nobody there sends devices past this box", name)}
}

func joined(list []netip.Addr) string {
	var words []string
	for _, a := range list {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}

// online reports whether there is a way by which something could be opened.
func (d *doctor) online() bool {
	return d.status != nil && d.status.State == api.Open && d.status.Tor.Bootstrap == 100 &&
		!slices.ContainsFunc(d.status.Findings, func(f health.Finding) bool { return f.Code == health.NoUplink })
}

// page opens one through Tor: a name, an exit, a certificate.
func (d *doctor) page(ctx context.Context) []diagnosis {
	const area = "names and pages"
	if !d.online() {
		return nil // what is said of network and Tor is the reason
	}
	t, err := d.client().Try(ctx, api.TryRequest{URL: d.site})
	switch {
	case err != nil:
		return []diagnosis{fail(area, "see the lines about Tor", "no page was opened through Tor: %v", err)}
	case !t.Opens:
		return []diagnosis{fail(area, t.Action, "%s does not open through Tor: %s", d.site, t.Verdict)}
	}
	var took float64
	for _, s := range t.Attempts[len(t.Attempts)-1].Steps {
		took += s.Seconds
	}
	return []diagnosis{fine(area, "%s in %.1f s", t.Verdict, took)}
}

// onions calls each, as `onions --check` does.
func (d *doctor) onions(ctx context.Context) []diagnosis {
	const area = "onions"
	if !d.online() {
		return nil
	}
	var busy sync.WaitGroup
	room := make(chan struct{}, checksAtOnce)
	list := make([]diagnosis, len(d.status.Onions))
	for i, o := range d.status.Onions {
		busy.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			list[i] = d.onion(ctx, area, o)
		})
	}
	busy.Wait()
	return list
}

func (d *doctor) onion(ctx context.Context, area string, o api.Onion) diagnosis {
	if !o.Findable() {
		return fine(area, "%s: %s", o.Name, publishedWords(o, time.Now()))
	}
	now, err := d.client().Check(ctx, o.Name)
	if err != nil {
		return fail(area, "tunic onions "+o.Name+" --check", "%s was not called: %v", o.Name, err)
	}
	if !gotThrough(now) {
		words := publishedWords(now, time.Now())
		for _, p := range now.Ports {
			if p.Down() {
				words = fmt.Sprintf("port %d leads to %s: %s", p.Port, p.Target, portWords(p, time.Now()))
			}
		}
		action := "start the service on its host, or correct the target: tunic onions " + o.Name + " --check"
		return fail(area, action, "%s: %s", o.Name, words)
	}
	return fine(area, "%s: %s", o.Name, visitorWords(now, time.Now()))
}

// friends says when each friend's box was heard of last.
func (d *doctor) friends(ctx context.Context) (list []diagnosis) {
	const area = "friends"
	if d.status == nil {
		return nil
	}
	peers, err := d.client().Peers(ctx)
	if err != nil {
		return []diagnosis{fail(area, "", "they were not asked for: %v", err)}
	}
	for _, p := range peers {
		switch {
		case p.State != api.PeerFriend:
			list = append(list, fine(area, "%s: %s", p.Name, p.Text))
		case p.Reachable && p.LastSeen != nil:
			list = append(list, fine(area, "%s: heard of %s", p.Name, ago(*p.LastSeen, time.Now())))
		default:
			list = append(list, warning(area, "the friend's box is off, or off line; what waits for it is sent when it is there again",
				"%s: %s", p.Name, awayWords(p)))
		}
	}
	return list
}

func awayWords(p api.Peer) string {
	words := "not heard of yet"
	if p.LastSeen != nil {
		words = "heard of last " + ago(*p.LastSeen, time.Now())
	}
	if p.Error != "" {
		words += "; " + p.Error
	}
	return words
}

// disks looks at those of the state and of the configuration.
func (d *doctor) disks() (list []diagnosis) {
	const area = "disks"
	d.told[health.DiskNearlyFull] = true
	p := d.paths()
	for dir, words := range box.Full(p.State, p.Etc) {
		list = append(list, warning(area, "make room: df -h", "the disk with %s is nearly full: %s", dir, words))
	}
	list = append(list, d.findings(area, health.DiskFull, health.DiskReadOnly)...)
	if len(list) == 0 {
		list = append(list, fine(area, "there is room for keys, mail and the configuration"))
	}
	return list
}

// soon is when a certificate that ends is worth a word: devices have to take the next
// one in by hand.
const soon = 60 * 24 * time.Hour

// certificates looks at the house's authority; what it signs is made again in time.
func (d *doctor) certificates(now time.Time) []diagnosis {
	const area = "certificates"
	list := d.findings(area, health.CertificateFailed)
	authority, err := ca.Read(d.paths().CA())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return append(list, fine(area, "the box has no authority yet: the daemon makes one when the time is certain"))
	case err != nil:
		return append(list, fail(area, "restore it from a backup", "the house's authority cannot be read: %v", err))
	}
	end := authority.NotAfter()
	switch words := fmt.Sprintf("the house's authority is good until %s", end.Format(time.DateOnly)); {
	case now.After(end):
		return append(list, fail(area, "tunic ca prints the next one, for the devices that had this one", "%s, which is over", words))
	case now.Add(soon).After(end):
		return append(list, warning(area, "plan to install the next one on devices: tunic ca", "%s", words))
	default:
		return append(list, fine(area, "%s", words))
	}
}
