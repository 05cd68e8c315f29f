package netfilter

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"tunic/rules"
)

// ApplyChain replaces one chain in the kernel by what set says of it, in one
// step for each family in which it differs. set must differ from what was
// applied last in that chain only; Verify expects it from now on. It is for a
// chain that changes often: it asks and loads nothing else.
func (k *Kernel) ApplyChain(ctx context.Context, set rules.Ruleset, chain string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range set.Tables {
		i := slices.IndexFunc(t.Chains, func(c rules.Chain) bool { return c.Name == chain })
		id := tableID{t.Family, t.Name}
		last := k.applied[id]
		if i < 0 || last.wanted.Equal(t) {
			continue
		}
		if err := k.applyChain(ctx, id, last, t, i); err != nil {
			delete(k.applied, id) // nobody knows what is there: Verify will say so
			return fmt.Errorf("applying chain %s to %v: %w", chain, id, err)
		}
	}
	return nil
}

// applyChain replaces the i-th chain of t. The kernel prints rules in a form
// of its own, so Verify compares with what it printed.
func (k *Kernel) applyChain(ctx context.Context, id tableID, last applied, t rules.Table, i int) error {
	chain := t.Chains[i]
	same := last.wanted
	same.Chains = slices.Clone(same.Chains)
	if i >= len(same.Chains) || same.Chains[i].Name != chain.Name {
		return fmt.Errorf("other rules were applied last")
	}
	same.Chains[i] = chain
	if !same.Equal(t) {
		return fmt.Errorf("other chains than this differ too")
	}
	one := rules.Table{Family: t.Family, Name: t.Name, Chains: []rules.Chain{chain}}
	if err := k.restore(ctx, t.Family, one.Text()); err != nil {
		return err
	}
	out, err := k.own.run(ctx, "", k.families[t.Family].list, "--wait", waitSeconds, "-t", t.Name, "-S", chain.Name)
	if err != nil {
		return err
	}
	kernel := maps.Clone(last.kernel)
	kernel[chain.Name] = parseListing(out)[chain.Name]
	k.applied[id] = applied{wanted: t, kernel: kernel}
	return nil
}

// HardwareAddr returns the MAC address, lower case with colons, of the host
// that has addr on one of the interfaces, "" if the kernel knows of none or of
// several (a link-local address means something on its own wire only).
func HardwareAddr(interfaces []string, addr netip.Addr) (string, error) {
	found := ""
	for _, name := range interfaces {
		link, err := whole(func() (netlink.Link, error) { return netlink.LinkByName(name) })
		if err != nil {
			continue
		}
		entries, err := whole(func() ([]netlink.Neigh, error) {
			return netlink.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
		})
		if err != nil {
			return "", fmt.Errorf("reading the neighbours on %q: %w", name, err)
		}
		for _, e := range entries {
			a, ok := netip.AddrFromSlice(e.IP)
			if !ok || a.Unmap() != addr.Unmap() || len(e.HardwareAddr) == 0 || e.State&lost != 0 {
				continue
			}
			if found != "" && found != e.HardwareAddr.String() {
				return "", nil
			}
			found = strings.ToLower(e.HardwareAddr.String())
		}
	}
	return found, nil
}
