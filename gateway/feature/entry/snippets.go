package entry

import (
	"errors"
	"fmt"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/tor"
)

// CheckSnippets refuses lines of torrc.d that name tunic's own options, or mix
// with the bridges of its configuration.
func CheckSnippets(p config.Paths, c *config.Config) error {
	var errs []error
	for _, s := range c.Torrc {
		path := p.TorrcDir() + "/" + s.File
		errs = append(errs, tor.CheckSnippet(path, s.Text)...)
		if len(c.Tor.Bridges) > 0 {
			errs = append(errs, tor.CheckBridgeSnippet(path, s.Text)...)
		}
		errs = append(errs, checkFastSnippet(c, path, s.Text))
	}
	return errors.Join(errs...)
}

// checkFastSnippet refuses bridges in torrc.d beside an onion that connects to
// relays directly.
func checkFastSnippet(c *config.Config, path, text string) error {
	i := slices.IndexFunc(c.Onions, func(o config.Onion) bool { return o.Fast })
	if i < 0 || errors.Join(tor.CheckBridgeSnippet(path, text)...) == nil {
		return nil
	}
	return fmt.Errorf("%s: bridges, beside the onion %s which is not anonymous and connects to relays directly: remove one of them",
		path, c.Onions[i].Name)
}
