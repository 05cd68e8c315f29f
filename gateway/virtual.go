package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/onion"
)

// virtuals gives onions with names fixed addresses in the virtual ranges, and
// keeps which: devices remember addresses, and so do people. A number is never
// given to another onion.
type virtuals struct {
	path    string
	numbers map[onion.Address]uint16 // host numbers, the same in both families
}

// The host numbers that are given out: not the network's own, nor the last.
const (
	firstVirtual = 1 << 8
	lastVirtual  = 1<<16 - 2
)

func virtualFile(p config.Paths) string { return filepath.Join(p.State, "virtual.json") }

// number makes sure that all these onions have a number.
func (v *virtuals) number(want []onion.Address) error {
	if v.numbers == nil {
		if err := v.load(); err != nil {
			return err
		}
	}
	next := maps.Clone(v.numbers)
	for _, a := range want {
		if _, has := next[a]; !has {
			n, err := v.unused(next)
			if err != nil {
				return err
			}
			next[a] = n
		}
	}
	if len(next) == len(v.numbers) {
		return nil
	}
	raw, err := json.MarshalIndent(next, "", "  ")
	if err == nil {
		err = durable.Write(v.path, append(raw, 0x0a), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping the virtual addresses: %w", err)
	}
	v.numbers = next
	return nil
}

func (v *virtuals) unused(taken map[onion.Address]uint16) (uint16, error) {
	last := uint16(firstVirtual - 1)
	for _, n := range taken {
		last = max(last, n)
	}
	if last >= lastVirtual {
		return 0, fmt.Errorf("the virtual addresses are used up: remove %s", v.path)
	}
	return last + 1, nil
}

func (v *virtuals) load() error {
	raw, err := os.ReadFile(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		v.numbers = make(map[onion.Address]uint16)
		return nil
	}
	var numbers map[onion.Address]uint16
	if err == nil {
		err = json.Unmarshal(raw, &numbers)
	}
	if err != nil {
		return fmt.Errorf("reading the virtual addresses in %s: %w; remove the file to have new ones chosen", v.path, err)
	}
	if numbers == nil {
		numbers = make(map[onion.Address]uint16)
	}
	v.numbers = numbers
	return nil
}

// virtualAddrs are an onion's addresses, IPv4 first.
func virtualAddrs(r Ranges, n uint16) []netip.Addr {
	four, six := r.Virtual4.Addr().As4(), r.Virtual6.Addr().As16()
	four[2], four[3] = byte(n>>8), byte(n)
	six[14], six[15] = byte(n>>8), byte(n)
	return []netip.Addr{netip.AddrFrom4(four), netip.AddrFrom16(six)}
}
