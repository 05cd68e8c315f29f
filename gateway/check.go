package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"tunic/gateway/config"
	"tunic/gateway/tor"
	"tunic/rules"
)

// CheckTor has tor itself judge the owner's part of its configuration: the
// lines in torrc.d, bridges and countries. tor runs as that user, and must not as
// root; who is not root says who he is. Nothing is left behind. The error wraps tor.ErrNoTor if tor is not
// installed, and is a *tor.TooOldError if it is too old.
func CheckTor(ctx context.Context, c *config.Config, e Entry, user IDs) error {
	dir, err := os.MkdirTemp("", "tunic-check-")
	if err != nil {
		return fmt.Errorf("checking the torrc: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // that user enters it
		return fmt.Errorf("checking the torrc: %w", err)
	}
	s := torSpec(Inputs{Config: c, Paths: config.NewPaths(dir), Tor: user, Entry: e, Mode: rules.Open,
		Facts:  Facts{IPv6: true},
		Ranges: Ranges{Virtual4: netip.MustParsePrefix("10.128.0.0/16"), Virtual6: netip.MustParsePrefix("fd00:7475:6e69::/48")}})
	s.Onions = nil // tunic's own lines need no judge
	return tor.Judge(ctx, s, slog.New(slog.DiscardHandler))
}
