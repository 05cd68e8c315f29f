package tor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"tunic/gateway/supervise"
)

// verifyWait bounds `tor --verify-config`.
const verifyWait = 60 * time.Second

// verify lets the binary itself verify a configuration that no running process
// can: before the first start, and before a restart that could not be undone.
func verify(ctx context.Context, s Spec, log *slog.Logger) error {
	version, err := FindVersion(ctx, s.Binary)
	if err != nil {
		return err
	}
	if err := ownDir(s.DataDir, s.UID, s.GID); err != nil {
		return fmt.Errorf("preparing tor's directory: %w", err)
	}
	path := s.Torrc + ".check"
	s.Auth = nil // the files of a state that may be refused are not written
	if err := writeTorrc(s, path, Render(s, version)); err != nil {
		return err
	}
	defer os.Remove(path)
	p, err := supervise.Start(s.command("tor's check", "-f", path, "--defaults-torrc", s.defaultsFile(), "--verify-config"), log, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	select {
	case <-p.Done():
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("checking the torrc: %w", ctx.Err()), p.Stop(ctx, 0))
	}
	if p.Err() != nil {
		return fmt.Errorf("checking the torrc: %w", ending(p, s.hider()))
	}
	return nil
}

// Verify has the binary itself look at a configuration, without a change to what
// runs. It returns what Apply would return for it, as far as that can be known
// beforehand.
func (t *Tor) Verify(ctx context.Context, s Spec) error { return Verify(ctx, s, t.log) }

// Verify is [Tor.Verify] for a caller that has no Tor: it needs the directories
// and the user of s.
func Verify(ctx context.Context, s Spec, log *slog.Logger) error {
	if err := s.Check(); err != nil {
		return err
	}
	return verify(ctx, s, log)
}

// usual are warnings and errors of tor's that tell a person nothing here.
var usual = []string{
	"You specified a public address",      // on purpose: the rules guard the port
	"Reading config failed--see warnings", // the warnings say it
}

// complaints picks from tor's output what a person should read: its warnings
// and errors, without the time.
func complaints(lines []string) []string {
	var found []string
	for _, line := range lines {
		_, text, complains := strings.Cut(line, "[warn] ")
		if !complains {
			_, text, complains = strings.Cut(line, "[err] ")
		}
		if complains && !slices.ContainsFunc(usual, func(u string) bool { return strings.HasPrefix(text, u) }) {
			found = append(found, strings.TrimPrefix(text, "Failed to parse/validate config: "))
		}
	}
	return found
}

// command is a run of the tor binary as the user that it belongs to.
func (s Spec) command(name string, args ...string) supervise.Command {
	return supervise.Command{
		Name: name, Path: s.Binary, Args: args,
		// A daemon that runs as that user already, as in tests, cannot switch.
		SetUser: s.UID != uint32(os.Geteuid()), UID: s.UID, GID: s.GID,
	}
}
