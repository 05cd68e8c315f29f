package netfilter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

const (
	// wallPlace is the number of the wall's first rule, where nobody else's are
	// before it. Rules that are added without a number come right before the
	// lowest one (except the kernel's own 0): then the wall moves.
	wallPlace = 900
	// wallProtocol marks the rules as ours (FRA_PROTOCOL; "proto 116" in "ip
	// rule"). It is "t" in ASCII, and nobody's in rt_protos.
	wallProtocol = 0x74
	// localTable holds the box's own addresses (RT_TABLE_LOCAL).
	localTable = unix.RT_TABLE_LOCAL
)

// wallEvents are the groups of rtnetlink that tell of rules of routing policy.
var wallEvents = []uint{unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE}

// keepWall makes the kernel hold the wall of both families, before all other
// rules of routing policy, and returns one line for each family in which it did
// not.
func (k *Kernel) keepWall() ([]string, error) {
	if err := trustMarks(); err != nil {
		k.log.Warn("devices that go direct may be cut off", "error", err)
	}
	var drift []string
	var errs []error
	for _, f := range rules.Families() {
		line, err := k.keepWallOf(f)
		if line != "" {
			drift = append(drift, line)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%v routing policy: %w", f, err))
		}
	}
	return drift, errors.Join(errs...)
}

func (k *Kernel) keepWallOf(f rules.Family) (string, error) {
	before, err := lookAtWall(f)
	if err != nil || before.good() {
		return "", err
	}
	if err := before.build(); err != nil {
		return "", err
	}
	now, err := lookAtWall(f)
	if err == nil && !now.good() {
		err = errors.New("the wall does not stay: another program changes the rules of routing policy")
	}
	if now.before > 0 {
		k.log.Warn("another program's rule of routing policy stands before the wall, and there is no place before it", "family", f)
	}
	return before.drift(f), err
}

// build adds what is missing, the part that swallows packets last, and then
// removes what is wrong, that part first: no packet meets a wall that is
// half, and one stands at any moment.
func (w wallNow) build() error {
	swallow := func(r netlink.Rule) int { return map[bool]int{true: 1}[r.Src != nil] }
	for _, r := range slices.SortedStableFunc(slices.Values(w.wanted), func(a, b netlink.Rule) int { return swallow(a) - swallow(b) }) {
		if err := netlink.RuleAdd(&r); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding the wall (%s): %w", ruleText(r), err)
		}
	}
	wrong := slices.DeleteFunc(slices.Clone(w.ours), func(r netlink.Rule) bool {
		return slices.ContainsFunc(w.wanted, func(want netlink.Rule) bool { return ruleText(want) == ruleText(r) })
	})
	slices.SortStableFunc(wrong, func(a, b netlink.Rule) int { return swallow(b) - swallow(a) })
	for _, r := range wrong {
		if err := remove(r); err != nil {
			return fmt.Errorf("removing an old part of the wall (%s): %w", ruleText(r), err)
		}
	}
	return nil
}

// wallNow is what the kernel has of the wall in one family.
type wallNow struct {
	ours   []netlink.Rule // in the kernel's order
	wanted []netlink.Rule
	before int // rules of others that stand before ours, or among them
}

func (w wallNow) good() bool {
	return slices.EqualFunc(w.ours, w.wanted, func(a, b netlink.Rule) bool { return ruleText(a) == ruleText(b) })
}

// drift says what is wrong. That the wall may go back to its place is nothing.
func (w wallNow) drift(f rules.Family) string {
	switch {
	case w.good():
		return ""
	case len(w.ours) != len(w.wanted):
		return fmt.Sprintf("%v routing policy: rules of the wall are missing", f)
	case w.before > 0:
		return fmt.Sprintf("%v routing policy: another program's rule stood before the wall", f)
	}
	return ""
}

// lookAtWall reads the rules of a family. Without IPv6 in the kernel its wall
// is there: nothing can pass.
func lookAtWall(f rules.Family) (wallNow, error) {
	if f == rules.IPv6 && !hasIPv6() {
		return wallNow{}, nil
	}
	all, err := whole(func() ([]netlink.Rule, error) { return netlink.RuleList(familyNumber(f)) })
	if err != nil {
		return wallNow{}, fmt.Errorf("reading the rules (the kernel needs CONFIG_IP_MULTIPLE_TABLES and CONFIG_IPV6_MULTIPLE_TABLES): %w",
			err)
	}
	var w wallNow
	first := wallPlace + len(rules.Wall())
	last := 0
	for _, r := range all {
		if r.Protocol == wallProtocol {
			w.ours, last = append(w.ours, r), r.Priority
		}
	}
	for _, r := range all {
		if r.Protocol != wallProtocol && r.Priority > 0 {
			first = min(first, r.Priority)
			if r.Priority <= last {
				w.before++
			}
		}
	}
	w.wanted = wallAt(f, max(1, first-len(rules.Wall())))
	return w, nil
}

// wallAt returns the wall's rules as the kernel lists them, from a number on.
func wallAt(f rules.Family, place int) []netlink.Rule {
	plan := rules.Wall()
	end := place + len(plan) - 1
	mask := rules.WallMark
	var list []netlink.Rule
	for i, p := range plan {
		r := *netlink.NewRule()
		r.Family, r.Priority, r.Protocol = familyNumber(f), place+i, wallProtocol
		if p.Mark {
			r.Mark, r.Mask = rules.WallMark, &mask
		}
		if p.Own {
			r.IifName = "lo"
		}
		if p.Half >= 0 {
			r.Src = ipNet(p.Source(f))
		}
		switch p.Action {
		case rules.LookupLocal:
			r.Table = localTable
		case rules.Skip:
			r.Goto, r.Type = end, nl.FR_ACT_GOTO
		case rules.Swallow:
			r.Type = nl.FR_ACT_BLACKHOLE
		case rules.Nothing:
			r.Type = nl.FR_ACT_NOP
		}
		list = append(list, r)
	}
	return list
}

// ruleText is a rule nearly as "ip rule" prints it, for comparisons too. What
// it does the library does not tell; its number and conditions say which it is.
func ruleText(r netlink.Rule) string {
	text := fmt.Sprintf("%d:", r.Priority)
	if r.Invert {
		text += " not"
	}
	if r.Src != nil {
		text += " from " + r.Src.String()
	}
	if r.Mask != nil {
		text += fmt.Sprintf(" fwmark %#x/%#x", r.Mark, *r.Mask)
	}
	if r.IifName != "" {
		text += " iif " + r.IifName
	}
	if r.Goto >= 0 {
		text += fmt.Sprintf(" goto %d", r.Goto)
	}
	return fmt.Sprintf("%s lookup %d", text, r.Table)
}

// remove deletes one rule; one that is gone already is no error.
func remove(r netlink.Rule) error {
	if err := netlink.RuleDel(&r); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// watchWall signals dirty when rules of routing policy come or go, and failed
// when the kernel tells no more. The caller calls what it returns at the end.
func watchWall(ctx context.Context, dirty chan<- struct{}, failed chan<- error) (func(), error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, wallEvents...)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			_, _, err := socket.Receive()
			if err != nil && !errors.Is(err, unix.ENOBUFS) { // lost events may have mattered
				failed <- err
				return
			}
			signal(dirty)
		}
	}()
	return closeWith(ctx, socket), nil
}

// Wall says what is wrong with the second wall, a line for each family in which it
// does not stand.
func (k *Kernel) Wall() ([]string, error) {
	var wrong []string
	for _, f := range rules.Families() {
		w, err := lookAtWall(f)
		if err != nil {
			return nil, fmt.Errorf("looking at the wall: %w", err)
		}
		if line := w.drift(f); line != "" {
			wrong = append(wrong, line)
		}
	}
	return wrong, nil
}

// removeWall takes all our rules of routing policy out of both families.
func removeWall() error {
	var errs []error
	for _, f := range rules.Families() {
		w, err := lookAtWall(f)
		errs = append(errs, err)
		for _, r := range w.ours {
			errs = append(errs, remove(r))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the wall: %w", err)
	}
	return nil
}

// trustMarks lets the kernel's check of sources (rp_filter) see the mark of the
// packet that it checks: it asks for the way back, and without the mark the
// wall would stand there (src_valid_mark in ip-sysctl).
func trustMarks() error {
	const file = "/proc/sys/net/ipv4/conf/all/src_valid_mark"
	now, err := os.ReadFile(file)
	if err == nil && string(now) != "1\n" {
		err = os.WriteFile(file, []byte("1\n"), 0o644)
	}
	if err != nil {
		return fmt.Errorf("letting the check of sources see marks (sysctl net.ipv4.conf.all.src_valid_mark=1): %w", err)
	}
	return nil
}

func hasIPv6() bool {
	_, err := os.Stat("/proc/thread-self/net/if_inet6")
	return err == nil
}

func familyNumber(f rules.Family) int {
	if f == rules.IPv6 {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
