package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tunic/gateway/config"
)

func (l *Lab) relayDir(r Relay) string { return filepath.Join(l.dir, "tor", r.Name) }

// makeAuthorities makes the keys of all relays, and returns the directory
// authorities with theirs.
func (l *Lab) makeAuthorities(ctx context.Context) ([]Authority, error) {
	var authorities []Authority
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range TorRelays() {
		if r.Authority {
			authorities = append(authorities, Authority{Relay: r})
			continue
		}
		group.Go(func() error {
			_, err := l.makeRelayKeys(ctx, r)
			return err
		})
	}
	for i := range authorities {
		group.Go(func() error { return l.makeKeys(ctx, &authorities[i]) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return authorities, nil
}

var (
	identLine       = regexp.MustCompile(`(?m)^fingerprint ([0-9A-F]{40})$`)
	fingerprintLine = regexp.MustCompile(`(?m)^\S+ ([0-9A-F]{40})$`)
)

// makeKeys makes the voting keys (dir-spec, "Creating key certificates") and
// the relay keys of one authority, and fills in their fingerprints.
func (l *Lab) makeKeys(ctx context.Context, a *Authority) error {
	dir := l.relayDir(a.Relay)
	keys := filepath.Join(dir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return fmt.Errorf("making keys of %s: %w", a.Name, err)
	}
	gencert := exec.CommandContext(ctx, "tor-gencert", "--create-identity-key", "--passphrase-fd", "0",
		"-m", "12", "-a", fmt.Sprintf("%s:%d", a.Addr4, DirPort))
	gencert.Dir, gencert.Stdin = keys, strings.NewReader("\n")
	if out, err := gencert.CombinedOutput(); err != nil {
		return fmt.Errorf("making voting keys of %s: %w: %s", a.Name, err, out)
	}
	var err error
	if a.V3Ident, err = findIn(filepath.Join(keys, "authority_certificate"), identLine); err != nil {
		return err
	}
	a.Fingerprint, err = l.makeRelayKeys(ctx, a.Relay)
	return err
}

// makeRelayKeys makes the relay keys of an authority or exit, and returns its
// fingerprint. Tor makes them when asked for it; it wants to know another
// authority before it answers, any will do.
func (l *Lab) makeRelayKeys(ctx context.Context, r Relay) (fingerprint string, err error) {
	dir := l.relayDir(r)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the directory of %s: %w", r.Name, err)
	}
	if err := run(ctx, "", "tor", "--list-fingerprint", "--quiet", "--datadirectory", dir, "--orport", "1",
		"--nickname", r.Name, "--dirserver", "none 127.0.0.1:1 "+strings.Repeat("f", 40)); err != nil {
		return "", fmt.Errorf("making relay keys of %s: %w", r.Name, err)
	}
	return l.fingerprint(r)
}

func (l *Lab) fingerprint(r Relay) (string, error) {
	return findIn(filepath.Join(l.relayDir(r), "fingerprint"), fingerprintLine)
}

func findIn(path string, line *regexp.Regexp) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a fingerprint: %w", err)
	}
	found := line.FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("reading a fingerprint: none in %s", path)
	}
	return string(found[1]), nil
}

// writeRelays makes the directories and configurations of all relays, whose
// first consensus is for the time first.
func (l *Lab) writeRelays(authorities []Authority, first time.Time) error {
	resolv := filepath.Join(etcNetns, namespacePrefix(l.plan.ID)+RelaysNode, "resolv.conf")
	var measured strings.Builder
	fmt.Fprintf(&measured, "%d\n", time.Now().Unix())
	for _, r := range TorRelays() {
		dir := l.relayDir(r)
		fingerprint, err := l.fingerprint(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(&measured, "node_id=$%s bw=%d\n", fingerprint, bandwidth)
		torrc := dir + ".torrc"
		text := RelayTorrc(r, authorities, dir, config.TorUser, resolv, first)
		if err := os.WriteFile(torrc, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the configuration of %s: %w", r.Name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(l.dir, "tor", bandwidthFile), []byte(measured.String()), 0o644); err != nil {
		return fmt.Errorf("writing the relays' bandwidths: %w", err)
	}
	return chownTree(filepath.Join(l.dir, "tor"), config.TorUser)
}

// startRelays starts all tor processes of the network.
func (l *Lab) startRelays() error {
	for _, r := range TorRelays() {
		if _, err := l.Start(RelaysNode, r.Name, "tor", "-f", l.relayDir(r)+".torrc"); err != nil {
			return err
		}
	}
	return nil
}

func chownTree(root, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("giving files to user %s: %w", name, err)
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if err := errors.Join(uerr, gerr); err != nil {
		return fmt.Errorf("giving files to user %s: %w", name, err)
	}
	return filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// consensusLimit is how long after its time all relays may take to hold the
// first consensus.
const consensusLimit = 45 * time.Second

// firstLimit is how long after its time some authority may take to hold the first
// consensus. If none has one by then, none will for half an hour.
const firstLimit = 15 * time.Second

// errIncomplete is a consensus that does not list all relays. The next one is half
// an hour away.
var errIncomplete = errors.New("the consensus does not list all relays")

// endRelays ends what startRelays started, and has all relays forget the
// consensus that did not list them all: whoever keeps one, in diff-cache for one,
// gives it to the others when they ask, and these ask for no newer one.
func (l *Lab) endRelays(ctx context.Context) error {
	var running []Process
	for _, r := range TorRelays() {
		if p, ok := l.process(r.Name); ok && p.Alive() {
			running = append(running, p)
		}
	}
	if err := end(ctx, running, time.Second); err != nil {
		return err
	}
	for _, r := range TorRelays() {
		for _, kind := range []string{"cached-*", "unverified-*", "diff-cache", "consensus-transparency-*", "v3-status-votes", "sr-state"} {
			found, err := filepath.Glob(filepath.Join(l.relayDir(r), kind))
			if err != nil {
				return err
			}
			for _, path := range found {
				if err := os.RemoveAll(path); err != nil {
					return fmt.Errorf("clearing what %s knows: %w", r.Name, err)
				}
			}
		}
	}
	return nil
}

// waitConsensus waits until every authority and exit has a consensus with all
// of them in it, and the relays' descriptors: a client that asks earlier is
// told to come back in ten seconds. The consensus is for the time first; if it does
// not list all relays the error is errIncomplete at once.
func (l *Lab) waitConsensus(ctx context.Context, first time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, first.Add(consensusLimit))
	defer cancel()
	var authorities, exits []Relay
	for _, r := range TorRelays() {
		if r.Authority {
			authorities = append(authorities, r)
		} else {
			exits = append(exits, r)
		}
	}
	if err := l.waitFirst(ctx, authorities, first); err != nil {
		return err
	}
	if err := l.waitNetwork(ctx, authorities); err != nil {
		return err
	}
	// The exits have asked in vain until now, and ask less and less often.
	// SIGHUP makes tor forget failed downloads and try again (tor(1)).
	for _, r := range exits {
		if p, ok := l.process(r.Name); ok && p.Alive() && !l.hasNetwork(r) {
			if err := syscall.Kill(p.PID, syscall.SIGHUP); err != nil {
				return fmt.Errorf("having %s ask again: %w", r.Name, err)
			}
		}
	}
	return l.waitNetwork(ctx, exits)
}

// waitFirst waits until one of the authorities has a consensus, whatever is in it, also
// one whose signatures it cannot check yet.
func (l *Lab) waitFirst(ctx context.Context, authorities []Relay, first time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, first.Add(firstLimit))
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		for _, r := range authorities {
			if !l.running(r.Name) {
				return false, fmt.Errorf("%s has ended: %s", r.Name, l.logTail(r.Name, 5))
			}
			found, err := filepath.Glob(filepath.Join(l.relayDir(r), "*-microdesc-consensus"))
			if len(found) > 0 || err != nil {
				return true, err
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the first consensus: %w", err)
	}
	return nil
}

func (l *Lab) waitNetwork(ctx context.Context, relays []Relay) error {
	for _, r := range relays {
		err := poll(ctx, func() (bool, error) {
			if !l.running(r.Name) {
				return false, fmt.Errorf("%s has ended: %s", r.Name, l.logTail(r.Name, 5))
			}
			if text, err := os.ReadFile(l.consensusFile(r)); err == nil && !consensusReady(string(text)) {
				return false, errIncomplete
			}
			return l.hasNetwork(r), nil
		})
		if err != nil {
			return fmt.Errorf("waiting for the consensus at %s: %w", r.Name, err)
		}
	}
	return nil
}

func (l *Lab) consensusFile(r Relay) string {
	return filepath.Join(l.relayDir(r), "cached-microdesc-consensus")
}

func (l *Lab) hasNetwork(r Relay) bool {
	dir := l.relayDir(r)
	text, err := os.ReadFile(l.consensusFile(r))
	if err != nil || !consensusReady(string(text)) {
		return false
	}
	known := 0
	for _, name := range []string{"cached-microdescs", "cached-microdescs.new"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			known += strings.Count("\n"+string(text), "\nonion-key\n")
		}
	}
	return known >= len(TorRelays())
}

// poll calls done until it reports true or an error, or the context ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
