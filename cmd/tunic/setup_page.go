package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/account"
	"tunic/gateway/feature"
	browser "tunic/gateway/page"
	"tunic/gateway/setup"
)

// setupPort is where the page of a setup is. Port 80 is the box's own page's, which
// stands there as soon as the daemon runs.
const setupPort = 8099

// How long there is a page, and how long somebody may take for the questions: what is
// left is for packages, Tor and the confirmation. goodbye is how long the browser may
// take to ask how it ended.
const (
	pageLimit = 30 * time.Minute
	askLimit  = 20 * time.Minute
	goodbye   = 10 * time.Second
)

// setupPage implements browser.SetupBox: a setup whose questions a browser answers.
type setupPage struct {
	*setupRun
	box     setup.Box
	site    *browser.Setup
	agreed  chan setup.Answers
	decided chan error
}

func (p *setupPage) Next(ctx context.Context, given []string) (setup.Question, setup.Answers, error) {
	return setup.Next(ctx, p.box, given, account.CheckName)
}

func (p *setupPage) Link(name string) (feature.Link, bool) { return p.box.Link(name) }

func (p *setupPage) Plan(ctx context.Context, a setup.Answers) (shown browser.SetupPlan, err error) {
	plan, err := p.app.setupPlan(p.box, a, time.Now())
	if err != nil {
		return shown, err
	}
	if shown.Packages, err = p.packages.Missing(ctx, a.Packages()); err != nil {
		return shown, err
	}
	shown.Detail, err = p.plan(ctx, p.box, plan)
	shown.Notes, shown.Steps = setup.Warnings(p.box, a), setup.Steps(p.box, a, plan, shown.Packages)
	return shown, err
}

func (p *setupPage) Entered(from netip.Addr) {
	p.printf("The code was typed at %v. If that was not you, press Control-C.\n", from)
}

func (p *setupPage) Agreed(a setup.Answers) { p.agreed <- a } // the page does so once

func (p *setupPage) Decided(keep bool) { // once, too
	if keep {
		p.decided <- nil
		return
	}
	p.decided <- errors.New("it was taken back on the page")
}

// waits has the page ask for the confirmation.
func (p *setupPage) waits(deadline time.Time) <-chan error {
	p.site.Say(browser.SetupStatus{Phase: browser.SetupWaits, Until: deadline})
	return p.decided
}

// listenAt listens at an address of the household, for packets of its interface alone:
// Linux takes those that come from elsewhere to the same address, too.
func listenAt(ctx context.Context, d setup.Door) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bindErr error
		err := c.Control(func(fd uintptr) { bindErr = unix.BindToDevice(int(fd), d.Interface) })
		return errors.Join(err, bindErr)
	}}
	return lc.Listen(ctx, "tcp", netip.AddrPortFrom(d.Addr, setupPort).String())
}

// runPage is run with a browser of the household for the questions.
func (s *setupRun) runPage(ctx context.Context) error {
	if err := s.earlier(ctx); err != nil {
		return err
	}
	box, err := s.look(ctx)
	if err != nil {
		return err
	}
	listeners, doors, err := s.openDoors(ctx, box)
	if err != nil {
		return unchanged(err)
	}
	code := browser.NewSetupCode()
	p := &setupPage{setupRun: s, box: box, agreed: make(chan setup.Answers, 1), decided: make(chan error, 1)}
	p.site, s.page = browser.NewSetup(p, code, doors), p
	serving, shut := context.WithTimeout(ctx, pageLimit)
	var all sync.WaitGroup
	for _, l := range listeners {
		all.Go(func() { p.site.Serve(serving, l) })
	}
	defer all.Wait()
	defer shut()
	s.printf("Open in a browser of your household, and type the code there:\n\n")
	for _, d := range doors {
		s.printf("  http://%s/\n", d)
	}
	s.printf("\n  code: %s\n\nThe page is not encrypted, so passwords are shown here. The questions may take %d minutes.\n"+
		"Control-C ends it at any time.\n", code, int(askLimit.Minutes()))
	err = p.run(ctx)
	p.site.Say(ending(err))
	if p.site.InUse() {
		p.farewell(ctx)
	}
	return err
}

// openDoors listens wherever the page is to be reached.
func (s *setupRun) openDoors(ctx context.Context, box setup.Box) (listeners []net.Listener, doors []netip.AddrPort, err error) {
	for _, d := range box.Doors() {
		l, err := s.listen(ctx, d)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, nil, fmt.Errorf("opening the page at %v: %w", d.Addr, err)
		}
		at, _ := netip.ParseAddrPort(l.Addr().String()) // one of TCP
		listeners, doors = append(listeners, l), append(doors, at)
	}
	if len(doors) == 0 {
		return nil, nil, errors.New("no interface but that to the internet has an address, and on that one there is no page: " +
			"run `tunic setup` on the terminal")
	}
	return listeners, doors, nil
}

// run waits for the answers, and does what was agreed.
func (p *setupPage) run(ctx context.Context) error {
	answers, err := p.answers(ctx)
	if err != nil {
		return unchanged(err)
	}
	plan, err := p.app.setupPlan(p.box, answers, time.Now())
	if err != nil {
		return unchanged(err)
	}
	missing, err := p.packages.Missing(ctx, answers.Packages())
	if err != nil {
		return unchanged(err)
	}
	p.printf("\nThis was agreed on the page:\n")
	for _, line := range setup.Steps(p.box, answers, plan, missing) {
		p.print("  - " + strings.ReplaceAll(line, "\n", "\n      ") + "\n")
	}
	return p.install(ctx, p.box, answers, plan, missing)
}

// answers waits until somebody has agreed on the page.
func (p *setupPage) answers(ctx context.Context) (a setup.Answers, err error) {
	late := time.NewTimer(askLimit)
	defer late.Stop()
	select {
	case a = <-p.agreed:
	case <-p.site.Shut():
		return a, fmt.Errorf("%d wrong codes were typed on the page", browser.MaxSetupCodes)
	case <-late.C:
		return a, errors.New("nobody answered the questions in time")
	case <-ctx.Done():
		return a, ctx.Err()
	}
	if a.User != "" {
		a.Password, a.Made = account.Generate(), true
	}
	return a, nil
}

// ending is how the page shows the end.
func ending(err error) browser.SetupStatus {
	if err == nil {
		return browser.SetupStatus{Phase: browser.SetupKept}
	}
	f := explain(err)
	return browser.SetupStatus{Phase: browser.SetupTakenBack, Error: strings.TrimSuffix(f.Error()+"; "+f.hint, "; ")}
}

// farewell gives the browser its time to get the end.
func (p *setupPage) farewell(ctx context.Context) {
	select {
	case <-p.site.Seen():
	case <-time.After(goodbye):
	case <-ctx.Done():
	}
}
