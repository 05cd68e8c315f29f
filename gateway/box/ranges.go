package box

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"

	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// LoadRanges reads the ranges of a box, or chooses and keeps them at the first
// start. local are the prefixes of all the box's interfaces and routes.
func LoadRanges(path string, local []netip.Prefix) (feature.Ranges, error) {
	r, kept, err := FindRanges(path, local)
	if err != nil || kept {
		return r, err
	}
	return r, SaveRanges(path, r)
}

// FindRanges reads the ranges of a box, or chooses some without keeping them.
func FindRanges(path string, local []netip.Prefix) (r feature.Ranges, kept bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		r, err := chooseRanges(local)
		return r, false, err
	}
	if err != nil {
		return feature.Ranges{}, false, Cannot(health.RangesUnreadable, path, "reading the state file: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return feature.Ranges{}, false, Cannot(health.RangesDamaged, path, "reading the state file %s: %w", path, err)
	}
	if r.Virtual4.Bits() != 16 || !r.Virtual4.Addr().Is4() || r.Virtual6.Bits() != 48 || !r.Virtual6.Addr().Is6() {
		return feature.Ranges{}, false, Cannot(health.RangesDamaged, path,
			"reading the state file %s: virtual4 must be an IPv4 /16 and virtual6 an IPv6 /48; remove the file to have new ones chosen",
			path)
	}
	return r, true, nil
}

// chooseRanges takes a random /16 of 10.0.0.0/8's upper half, where homes
// rarely are, and a random /48 of fd00::/8.
func chooseRanges(local []netip.Prefix) (feature.Ranges, error) {
	for range 200 {
		x, err := rand.Int(rand.Reader, big.NewInt(127))
		if err != nil {
			return feature.Ranges{}, fmt.Errorf("choosing virtual addresses: %w", err)
		}
		var six [16]byte
		six[0] = 0xfd
		if _, err := rand.Read(six[1:6]); err != nil {
			return feature.Ranges{}, fmt.Errorf("choosing virtual addresses: %w", err)
		}
		r := feature.Ranges{
			Virtual4: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 128 + byte(x.Int64())}), 16),
			Virtual6: netip.PrefixFrom(netip.AddrFrom16(six), 48),
		}
		if _, bad := r.Overlap(local); !bad {
			return r, nil
		}
	}
	return feature.Ranges{}, Cannot(health.NoRange, "10.128.0.0/9",
		"choosing virtual addresses: every /16 of 10.128.0.0/9 overlaps a local prefix")
}

// SaveRanges keeps the ranges of a box.
func SaveRanges(path string, r feature.Ranges) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Write(path, append(raw, '\n'), 0o600); err != nil {
		return Cannot(writing(err, health.RangesUnwritable), path, "writing the state file: %w", err)
	}
	return nil
}
