package netfilter

import (
	"fmt"
	"regexp"
	"strconv"
)

// Backend is the part of the kernel that iptables speaks to.
type Backend string

const (
	BackendNFT    Backend = "nf_tables"
	BackendLegacy Backend = "legacy"
)

// Version is what "iptables --version" says.
type Version struct {
	Major, Minor, Patch int
	Backend             Backend
}

// String returns "1.8.9 (nf_tables)".
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d (%s)", v.Major, v.Minor, v.Patch, v.Backend)
}

// waits says whether iptables-restore has --wait, which came with 1.6.2.
func (v Version) waits() bool {
	if v.Major != 1 {
		return v.Major > 1
	}
	return v.Minor > 6 || v.Minor == 6 && v.Patch >= 2
}

// ParseVersion reads "iptables v1.8.9 (nf_tables)". Versions before 1.8 name no
// backend and are legacy.
func ParseVersion(text string) (Version, error) {
	m := regexp.MustCompile(`v(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:\s+\((\w+)\))?`).FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("reading the version of iptables: none in %q", text)
	}
	v := Version{Backend: BackendLegacy}
	for i, part := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return Version{}, fmt.Errorf("reading the version of iptables: %w", err)
		}
		*part = n
	}
	if m[4] != "" {
		v.Backend = Backend(m[4])
	}
	return v, nil
}
