package leaktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"syscall"
	"time"

	"tunic/rules/netfilter"
)

// guest is the process in its namespace.
type guest struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	answer *json.Decoder
	probe  netfilter.Probe
	undo   []func() error
	addrs  []netip.Addr
	nonce  string
}

func startGuest(ctx context.Context, o Options) (*guest, error) {
	if len(o.Guest) == 0 {
		return nil, errors.New("starting the guest: no command was given")
	}
	g := &guest{cmd: exec.CommandContext(ctx, o.Guest[0], o.Guest[1:]...)}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	g.cmd.WaitDelay = time.Second
	var err error
	if g.orders, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	g.answer = json.NewDecoder(out)
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the guest: %w", err)
	}
	if err := g.moveIn(ctx, o); err != nil {
		return nil, errors.Join(err, g.end())
	}
	return g, nil
}

// moveIn lays the cable and has the guest take its addresses.
func (g *guest) moveIn(ctx context.Context, o Options) error {
	want, mac, err := plan(o.Household)
	if err != nil {
		return err
	}
	g.nonce = want.Nonce
	g.probe = netfilter.Probe{Name: probeName, PID: g.cmd.Process.Pid, MAC: mac, Join: o.Household.Join}
	if !netfilter.IsBridge(o.Household.Join) {
		g.standAlone(&want, o.Household)
	}
	if err := g.probe.Lay(); err != nil {
		return err
	}
	if g.probe.Join == "" {
		if err := g.ask(o.Attach(ctx, probeName)); err != nil {
			return err
		}
	}
	if o.Policy != nil {
		if err := g.ask(o.Policy(ctx, mac.String())); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(g.orders).Encode(want); err != nil {
		return fmt.Errorf("telling the guest what to do: %w", err)
	}
	r, err := g.next()
	g.addrs = r.Addrs
	return err
}

// ask keeps how to undo what was asked for, also if it may not have been done.
func (g *guest) ask(undo func() error, err error) error {
	if undo != nil {
		g.undo = append(g.undo, undo)
	}
	return err
}

// standAlone gives the cable's end on the box the household's addresses: the
// household has no bridge that it could join.
func (g *guest) standAlone(want *order, h Household) {
	g.probe.Join = ""
	for _, p := range h.Box {
		g.probe.Box = append(g.probe.Box, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
	}
	if len(want.Candidates) > 0 { // nobody can be asked on a cable of its own
		want.Candidates = want.Candidates[:1]
		g.probe.Guest = append(g.probe.Guest, want.Candidates[0].Addr())
	}
	if want.Addr6.IsValid() {
		g.probe.Guest = append(g.probe.Guest, want.Addr6.Addr())
	}
}

func (g *guest) next() (report, error) {
	var r report
	if err := g.answer.Decode(&r); err != nil {
		return r, fmt.Errorf("waiting for the guest: %w", err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("the guest failed: %s", r.Error)
	}
	return r, nil
}

// sendAll has the guest send everything, and returns what it says then.
func (g *guest) sendAll() (report, error) {
	if _, err := io.WriteString(g.orders, "true\n"); err != nil {
		return report{}, fmt.Errorf("telling the guest to begin: %w", err)
	}
	return g.next()
}

// end ends the guest; its namespace and the cable go with it.
func (g *guest) end() error {
	var err error
	for _, undo := range g.undo {
		err = errors.Join(err, undo())
	}
	g.orders.Close()
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait() // it was killed
	return errors.Join(err, g.probe.Remove())
}
