package desire

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/managed"
	"tunic/gateway/tor"
	"tunic/rules"
)

// CheckTor has tor itself verify the owner's part of its configuration: the
// lines in torrc.d, bridges and countries. tor runs as that user, and must not as
// root; a caller who is not root passes their own IDs.
// Nothing is left behind. The error wraps tor.ErrNoTor if tor is not installed, and
// is a *tor.TooOldError if it is too old.
func CheckTor(ctx context.Context, features []feature.Feature, c *config.Config, user feature.IDs) error {
	dir, err := os.MkdirTemp("", "tunic-check-")
	if err != nil {
		return fmt.Errorf("checking the torrc: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // that user enters it
		return fmt.Errorf("checking the torrc: %w", err)
	}
	in := Inputs{Scene: feature.Scene{Config: c, Paths: config.NewPaths(dir), ChildIDs: feature.ChildIDs{Tor: user}, Mode: rules.Open,
		Facts: feature.Facts{IPv6: true}, Ranges: exampleRanges}}
	in.Foresee(ctx, features)
	s := State(in).Tor
	s.Onions, s.Auth, s.Maps = nil, nil, nil // tunic's own lines need no check
	return tor.Verify(ctx, s, slog.New(slog.DiscardHandler))
}

// exampleRanges stand for those that a box has not chosen yet.
var exampleRanges = feature.Ranges{Virtual4: netip.MustParsePrefix("10.128.0.0/16"), Virtual6: netip.MustParsePrefix("fd00:7475:6e69::/48")}

// Missing says which programs a configuration needs that this box lacks: tor, or
// one that is new enough, and the servers that others have written. None of it
// is a mistake of the configuration.
func Missing(ctx context.Context, features []feature.Feature, c *config.Config) []error {
	var errs []error
	if _, err := tor.FindVersion(ctx, c.Tor.Binary); err != nil {
		errs = append(errs, fmt.Errorf("nothing works without Tor: %w", err))
	}
	for _, s := range Servers(ctx, features, c) {
		if _, err := s.Locate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// nowhere is where nothing has been made yet.
const nowhere = "/nonexistent"

// Servers are the managed servers that a configuration wants of a box that has a
// user for each.
func Servers(ctx context.Context, features []feature.Feature, c *config.Config) []managed.Spec {
	user := feature.IDs{UID: 1, GID: 1}
	in := Inputs{Scene: feature.Scene{Config: c, Paths: config.NewPaths(nowhere), Mode: rules.Open,
		Ranges: exampleRanges, ChildIDs: feature.ChildIDs{Tor: user, Serve: user, Mail: user, XMPP: user, IRC: user, I2P: user}}}
	in.Foresee(ctx, features)
	return State(in).Servers
}
