package mail

import (
	"os"
	"slices"

	"tunic/gateway/feature"
	"tunic/gateway/onion"
)

// phonesOnions are the hosts of all onions that phones have, or had and still have keys of:
// mails of years ago name them, which somebody may answer today.
func phonesOnions(s feature.Scene) (hosts []string) {
	c := s.Config
	if s.Written != nil { // with those that are shut out
		c = s.Written
	}
	for _, p := range c.Phones {
		if now, ok := s.Addresses[p.Onion()]; ok {
			hosts = append(hosts, now.Host())
		}
		entries, _ := os.ReadDir(s.Paths.RetiredKeys(p.Onion(), "")) // none: it never had another
		for _, e := range entries {
			if was, err := onion.Parse(e.Name()); err == nil {
				hosts = append(hosts, was.Host())
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
