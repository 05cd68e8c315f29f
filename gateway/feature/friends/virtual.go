package friends

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/onion"
)

// virtuals gives onions with names fixed addresses in the virtual ranges, and
// keeps which: devices remember addresses, and so do people. A friend's box has
// perFriend of them; for one more it loses the one of its own that was given
// first and that it does not offer now. Nobody else loses any.
type virtuals struct {
	path  string
	given []given // the first given first; nil: not read yet

	list    map[onion.Address]uint16 // of given; nil: not made yet. Nobody writes to it
	settled []claim                  // for which nothing is to be given any more; nil: for none
}

// given is one host number, the same in both families.
type given struct {
	claim
	Number uint16 `json:"number"`
}

// claim is an onion that has a name, and the home of the friend whose box says
// so; its own for a home. By is "" for what was given before that was kept.
type claim struct {
	Onion onion.Address `json:"onion"`
	By    onion.Address `json:"by"`
}

// The host numbers that are given out: not the network's own, nor the last.
const (
	firstVirtual = 1 << 8
	lastVirtual  = 1<<16 - 2
	perFriend    = 256
)

func virtualFile(p config.Paths) string { return filepath.Join(p.State, "virtual.json") }

// numbers are the host numbers by onion, in a map that stays as it is.
func (v *virtuals) numbers() map[onion.Address]uint16 {
	if v.list == nil {
		v.list = make(map[onion.Address]uint16)
		for _, g := range v.given {
			v.list[g.Onion] = g.Number
		}
	}
	return v.list
}

// number makes sure that all these onions have a number, as far as there are
// any: the error names those that have none. None is wanted twice.
func (v *virtuals) number(want []claim) error {
	if v.given == nil {
		v.list = nil
		if err := v.load(); err != nil {
			return err
		}
	}
	if v.settled != nil && slices.Equal(v.settled, want) {
		return nil
	}
	v.settled = nil
	next, lacking := v.with(want)
	if !slices.Equal(next, v.given) {
		if err := v.keep(next); err != nil {
			return fmt.Errorf("keeping the virtual addresses: %w", err)
		}
	} else if lacking == nil {
		v.settled = want
	}
	return lacking
}

// with returns what is given when these are claimed.
func (v *virtuals) with(want []claim) ([]given, error) {
	next := numbering{given: slices.Clone(v.given), by: make(map[onion.Address]onion.Address), count: make(map[onion.Address]int)}
	for _, c := range want {
		next.by[c.Onion] = c.By
	}
	next.settle()
	has := v.numbers()
	var errs []error
	for _, c := range want {
		if _, there := has[c.Onion]; !there {
			errs = append(errs, next.give(c))
		}
	}
	return next.given, errors.Join(errs...)
}

// numbering is a change of what is given.
type numbering struct {
	given []given
	by    map[onion.Address]onion.Address // who claims what now
	count map[onion.Address]int           // of the numbers by who claimed them last
	taken [lastVirtual + 1]bool
	last  int // the highest that was ever taken
}

// settle counts each number against who claims it now, and drops what is too
// much, as of a file that was full before friends were counted.
func (n *numbering) settle() {
	for i, g := range n.given {
		n.given[i].By = cmp.Or(n.by[g.Onion], g.By)
		n.count[n.given[i].By]++
	}
	n.given = slices.DeleteFunc(n.given, func(g given) bool {
		over := n.count[g.By] > perFriend && n.by[g.Onion] == ""
		if over {
			n.count[g.By]--
		}
		return over
	})
	n.last = firstVirtual - 1
	for _, g := range n.given {
		n.taken[g.Number], n.last = true, max(n.last, int(g.Number))
	}
}

// give gives an onion that has none a number: one that is free, or that of the
// same friend's which was given first and is not claimed now. When none is free
// any that nobody claims will do.
func (n *numbering) give(c claim) error {
	var number uint16
	var ok bool
	if n.count[c.By] >= perFriend {
		number, ok = n.take(func(g given) bool { return g.By == c.By })
	} else if number, ok = n.free(); !ok {
		number, ok = n.take(func(given) bool { return true })
	}
	if !ok {
		return fmt.Errorf("no virtual address is left for %s", c.Onion.Host())
	}
	n.given = append(n.given, given{c, number})
	n.count[c.By]++
	return nil
}

// take takes the first number of a kind that nobody claims now.
func (n *numbering) take(is func(given) bool) (uint16, bool) {
	i := slices.IndexFunc(n.given, func(g given) bool { return is(g) && n.by[g.Onion] == "" })
	if i < 0 {
		return 0, false
	}
	g := n.given[i]
	n.given = slices.Delete(n.given, i, i+1)
	n.count[g.By]--
	return g.Number, true
}

// free finds a number that nobody has: one that nobody had, while there are any.
func (n *numbering) free() (uint16, bool) {
	i := n.last + 1
	if n.last == lastVirtual {
		i = firstVirtual + slices.Index(n.taken[firstVirtual:], false)
	}
	if i < firstVirtual {
		return 0, false
	}
	n.taken[i], n.last = true, max(n.last, i)
	return uint16(i), true
}

func (v *virtuals) keep(next []given) error {
	raw, err := json.MarshalIndent(next, "", "  ")
	if err == nil {
		err = durable.Write(v.path, append(raw, 0x0a), 0o600)
	}
	if err == nil {
		v.given, v.list = next, nil
	}
	return err
}

// load reads the file, which may be that of an earlier version: numbers by
// onion. What no version can have written is left out, since tor would refuse
// the addresses of all for it.
func (v *virtuals) load() error {
	raw, err := os.ReadFile(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		v.given = []given{}
		return nil
	}
	var list []given
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		err = json.Unmarshal(raw, &list)
	} else if err == nil {
		list, err = earlier(raw)
	}
	if err != nil {
		return fmt.Errorf("reading the virtual addresses in %s: %w; remove the file to have new ones chosen", v.path, err)
	}
	onions, numbers := make(map[onion.Address]bool), make(map[uint16]bool)
	v.given = slices.DeleteFunc(append([]given{}, list...), func(g given) bool {
		bad := onions[g.Onion] || numbers[g.Number] || g.Number < firstVirtual || g.Number > lastVirtual
		onions[g.Onion], numbers[g.Number] = true, true
		return bad
	})
	return nil
}

// earlier reads what was kept before friends were counted, the first given first.
func earlier(raw []byte) (list []given, err error) {
	var numbers map[onion.Address]uint16
	err = json.Unmarshal(raw, &numbers)
	for a, n := range numbers {
		list = append(list, given{claim{Onion: a}, n})
	}
	slices.SortFunc(list, func(x, y given) int { return cmp.Compare(x.Number, y.Number) })
	return list, err
}

// virtualAddrs are an onion's addresses, IPv4 first.
func virtualAddrs(r feature.Ranges, n uint16) []netip.Addr {
	four, six := r.Virtual4.Addr().As4(), r.Virtual6.Addr().As16()
	four[2], four[3] = byte(n>>8), byte(n)
	six[14], six[15] = byte(n>>8), byte(n)
	return []netip.Addr{netip.AddrFrom4(four), netip.AddrFrom16(six)}
}
