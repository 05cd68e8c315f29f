package netfilter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

const (
	repairPause = 100 * time.Millisecond // between two looks: a program that fights with us costs no whole processor
	legacyEvery = 100 * time.Millisecond // between two looks at legacy tables, which have no events
	legacyQuiet = time.Second            // the same while it is told which programs change them
	nftBuffer   = 1 << 20                // bytes of events that may wait; a big table loads in one burst
)

// Repair looks whether the kernel still holds what was applied last, and puts
// back what somebody else has changed, the filters first. It returns
// one line for each difference, as Verify does, and one that names the program
// if the kernel has told of it. Nothing was applied: nothing is done.
func (k *Kernel) Repair(ctx context.Context) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	tables := k.wanted()
	if len(tables) == 0 {
		return nil, nil
	}
	wall, wallErr := k.keepWall()
	now, err := k.look(ctx, families(tables)...)
	if err = errors.Join(wallErr, err); err != nil {
		return wall, fmt.Errorf("repairing rules: %w", err)
	}
	var drift []string
	for _, t := range tables {
		drift = append(drift, k.drift(t, now)...)
	}
	if len(drift) == 0 {
		return wall, nil
	}
	drift = append(wall, drift...)
	if who := k.whoChanged(); who.program != "" {
		drift = append(drift, fmt.Sprintf("changed by %s, process %d", who.program, who.pid))
	}
	if err := k.converge(ctx, tables, now); err != nil {
		return drift, fmt.Errorf("repairing rules: %w", err)
	}
	return drift, nil
}

// wanted are the tables that were applied last, filter first.
func (k *Kernel) wanted() []rules.Table {
	var tables []rules.Table
	for _, f := range rules.Families() {
		for _, name := range tableNames {
			if last, ok := k.applied[tableID{f, name}]; ok {
				tables = append(tables, last.wanted)
			}
		}
	}
	return tables
}

func (k *Kernel) whoChanged() culprit {
	k.blame.Lock()
	defer k.blame.Unlock()
	return k.changer
}

// WatchRules calls changed after somebody else has changed, or may have
// changed, rules of ours or what stands in front of them, or any rule of
// routing policy, until ctx ends. With
// nf_tables the kernel tells; legacy tables have to be looked at, when a program has used
// iptables' lock and once a second, or ten times a second where there is no lock, without
// starting a program. Several changes may come as one call;
// changed may take its time. The first call comes at once, for what was changed
// before.
func (k *Kernel) WatchRules(ctx context.Context, changed func()) error {
	dirty, failed := make(chan struct{}, 1), make(chan error, 2)
	stop, err := watchWall(ctx, dirty, failed)
	if err != nil {
		return fmt.Errorf("watching rules: %w", err)
	}
	defer stop()
	if k.version.Backend != BackendNFT {
		signal(dirty)
		return k.watchLegacy(ctx, dirty, failed, changed)
	}
	socket, err := nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES)
	if err != nil {
		return fmt.Errorf("watching rules: %w", err)
	}
	signal(dirty)
	// More room than a process may usually have; without it, overflows are noticed too.
	_ = socket.SetReceiveBufferSize(nftBuffer, true)
	defer closeWith(ctx, socket)()
	go func() { failed <- k.readEvents(socket, dirty) }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return ended(ctx, "watching rules", err)
		case <-dirty:
			changed()
		}
		if !pause(ctx, repairPause) {
			return ctx.Err()
		}
	}
}

// readEvents signals dirty after each transaction of somebody else's that
// matters. Lost events may have mattered.
func (k *Kernel) readEvents(socket *nl.NetlinkSocket, dirty chan<- struct{}) error {
	var t transaction
	for {
		messages, _, err := socket.Receive()
		lost := errors.Is(err, unix.ENOBUFS)
		if err != nil && !lost {
			return err
		}
		matters := lost
		if lost {
			k.setChanger(culprit{})
		}
		for _, m := range messages {
			who, ours := t.message(m)
			if ours && !k.own.has(who.pid) {
				k.setChanger(who)
				matters = true
			}
		}
		if matters {
			signal(dirty)
		}
	}
}

func signal(dirty chan<- struct{}) {
	select {
	case dirty <- struct{}{}:
	default:
	}
}

// closeWith closes a socket when ctx ends, or when the function that it returns
// is called.
func closeWith(ctx context.Context, socket *nl.NetlinkSocket) func() {
	stop := context.AfterFunc(ctx, socket.Close)
	return func() {
		if stop() {
			socket.Close()
		}
	}
}

func (k *Kernel) setChanger(who culprit) {
	k.blame.Lock()
	defer k.blame.Unlock()
	k.changer = who
}

// legacyAgain is how often a table is looked at after its shape has settled: a
// change that undoes a repair between two looks leaves the shape of before.
const legacyAgain = 2

// watchLegacy compares the shapes of the tables. A change by ourselves is one
// too; then changed finds nothing wrong. Of the wall dirty tells.
func (k *Kernel) watchLegacy(ctx context.Context, dirty <-chan struct{}, failed <-chan error, changed func()) error {
	probe, err := newLegacyProbe()
	if err != nil {
		return fmt.Errorf("watching rules: %w", err)
	}
	defer probe.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lock := &lockWatch{path: xtablesLock}
	again := 0
	for last := probe.look(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return ended(ctx, "watching rules", err)
		case <-dirty:
			again = max(again, 1)
		case <-time.After(lock.every(ctx, again == 0)):
		case <-lock.used:
			if !pause(ctx, legacyEvery/4) { // a program takes the lock for each table
				return ctx.Err()
			}
		}
		now := probe.look()
		if now == last && again == 0 {
			continue
		}
		again--
		changed()
		if last = now; now != probe.look() || again < 0 {
			again = legacyAgain
		}
	}
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
