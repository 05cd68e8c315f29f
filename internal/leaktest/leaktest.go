// Package leaktest tries to leak: it puts a guest into the household, in a
// network namespace that exists for that only, has it send each kind of
// traffic that a device can send, and counts what comes out on the uplinks.
//
// Use it on a box with rules in force, through `tunic leaktest`. All its
// destinations are documentation addresses, which belong to nobody. It needs
// root, changes no rule by itself, and everything that it makes goes when it
// ends, however it ends.
//
// It proves less than the tests of the project do: only the kinds of traffic in
// its list, only the state that the box is in now.
package leaktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"tunic/rules/netfilter"
)

// Household is where the guest goes.
type Household struct {
	Interfaces []string       // all of the household's
	Join       string         // the one that the guest joins
	Box        []netip.Prefix // the box's addresses there, with their networks
}

// Options are what a test needs.
type Options struct {
	Household Household
	Guest     []string // the command that runs RunGuest
	// Attach makes the household take in an interface that is not one of its
	// own; called only if Join is no bridge. The function it returns undoes that.
	Attach func(ctx context.Context, name string) (undo func() error, err error)
	// Policy gives the guest, by its hardware address, a policy; nil: it is
	// treated as a device that nobody knows. The function it returns undoes that.
	Policy func(ctx context.Context, mac string) (undo func() error, err error)
}

// Result is what came of one kind of traffic.
type Result struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Sent   int    `json:"sent"`   // packets that the household saw
	Leaked int    `json:"leaked"` // packets on an uplink
	Action string `json:"action,omitempty"`
}

// Leaks reports whether anything came out.
func (r Result) Leaks() bool { return r.Leaked > 0 }

// Results are those of all classes, and of what belongs to none. Who else is a router
// is among them (RouterID) only where the guest is on the household's own wire.
type Results struct {
	Uplinks []string `json:"uplinks"`
	Guest   []string `json:"guest"` // its addresses
	Classes []Result `json:"classes"`
	Answers []Answer `json:"answers,omitempty"` // of DHCP servers and routers
}

// settle is how long a late packet may take.
const settle = 1500 * time.Millisecond

// probeName is that of the cable; Gateway knows its beginning.
const probeName = "tunic-probe0"

// Run makes one test. Its error says that nothing was proved; a leak is none.
func Run(ctx context.Context, o Options) (r Results, err error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	if r.Uplinks, err = uplinks(o.Household.Interfaces); err != nil {
		return r, err
	}
	if len(r.Uplinks) == 0 {
		return r, errors.New("this box has no interface beside the household's: there is nowhere to leak to")
	}
	g, err := startGuest(ctx, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, g.end()) }()
	for _, a := range g.addrs {
		r.Guest = append(r.Guest, a.String())
	}
	outside, err := listen(r.Uplinks, g.addrs, g.nonce)
	if err != nil {
		return r, err
	}
	defer outside.close()
	inside, err := listen([]string{probeName}, g.addrs, "")
	if err != nil {
		return r, err
	}
	defer inside.close()
	if err := outside.seenMarker(r.Uplinks); err != nil {
		return r, err
	}
	said, err := g.sendAll()
	if err != nil {
		return r, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	if err := outside.seenMarker(r.Uplinks); err != nil {
		return r, err
	}
	outside.close()
	inside.close()
	r.Answers = said.Answers
	r.Classes = results(inside, outside)
	if g.probe.Join != "" { // on a cable of its own nobody else is there to answer
		r.Classes = append(r.Classes, routerResult(said.Answers, said.Asked, o.Household.Box))
	}
	return r, nil
}

// results joins what was sent with what came out.
func results(inside, outside *capture) []Result {
	var list []Result
	sent := 0
	for n, c := range classes {
		r := Result{ID: c.ID, Name: c.Name, Sent: inside.classes[n], Leaked: outside.classes[n]}
		sent += r.Sent
		list = append(list, r)
	}
	list = append(list,
		Result{ID: "names", Name: "the name that was asked for, anywhere", Sent: inside.classes[classNumber("dns")], Leaked: outside.names},
		Result{ID: "source", Name: "the guest's own address as a source, anywhere", Sent: sent, Leaked: outside.sources})
	for i := range list {
		if list[i].Leaks() {
			list[i].Action = tell
		}
	}
	return list
}

func classNumber(id string) int {
	return slices.IndexFunc(classes[:], func(c Class) bool { return c.ID == id })
}

// uplinks are the interfaces that are up and no part of the household.
func uplinks(household []string) ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing the interfaces: %w", err)
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || slices.Contains(household, i.Name) ||
			slices.Contains(household, netfilter.PortOf(i.Name)) {
			continue
		}
		names = append(names, i.Name)
	}
	return names, nil
}
