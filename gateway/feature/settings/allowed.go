package settings

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"tunic/gateway/config"
)

// allowed compares the configurations themselves, whatever they were made from: the
// page may change what is named here, and nothing else. Interfaces, other networks,
// ports for the internet, what the box sends outside Tor, bridges, onions, friends and
// devices are changed on the box.
func allowed(before, after *config.Config) error {
	if a, b := locked(before), locked(after); !reflect.DeepEqual(a, b) {
		return errors.New("only some settings are changed from the page, and this is none of them")
	}
	for name := range maps.Keys(mergedFiles(before, after)) {
		if before.Files[name] != after.Files[name] && !slices.Contains(mayDiffer(), filepath.Clean(name)) {
			return fmt.Errorf("the file %s is not changed from the page", name)
		}
	}
	for _, e := range after.Endpoints {
		i := slices.IndexFunc(before.Endpoints, func(b config.Endpoint) bool { return b.Name == e.Name })
		if i >= 0 && !reflect.DeepEqual(before.Endpoints[i], e) {
			return fmt.Errorf("the server %s is switched on or off from the page, and changed on the box", e.Name)
		}
	}
	for _, list := range after.DNS.Block {
		if !slices.Contains(before.DNS.Block, list) && !isURL(list) {
			return fmt.Errorf("%s: a file on the box is named as a block list on the box; from the page it is the address of one", list)
		}
	}
	return nil
}

func mergedFiles(a, b *config.Config) map[string][32]byte {
	all := maps.Clone(a.Files)
	maps.Copy(all, b.Files)
	return all
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// locked is tunic.toml without what may be changed. The rest of a configuration has
// files of its own.
func locked(c *config.Config) config.Config {
	k := config.Config{Household: c.Household, Gateway: c.Gateway, Tor: c.Tor, DNS: c.DNS, Socks: c.Socks, Notices: c.Notices}
	k.Household.DefaultPolicy, k.Gateway.Metrics, k.DNS.Block = "", "", nil
	return k
}
