package machine

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"tunic/gateway/config"
	"tunic/gateway/leases"
	"tunic/rules"
	"tunic/rules/netfilter"
)

// System is the real gateway.System.
type System struct {
	Paths  config.Paths
	Kernel *netfilter.Kernel
}

// Leases implements gateway.System.
func (s System) Leases() ([]leases.Lease, error) { return leases.Read(s.Paths.Root) }

// resolvConfs are where a box keeps the servers that its uplink told it of, the
// most telling first: /etc/resolv.conf often names a server of the box itself.
var resolvConfs = []string{"/run/systemd/resolve/resolv.conf", "/tmp/resolv.conf.d/resolv.conf.auto", "/tmp/resolv.conf.auto",
	"/etc/resolv.conf"}

// Resolvers implements gateway.System. The files belong to the system, not to
// tunic, so they are not below the root.
func (s System) Resolvers() []netip.Addr {
	var all []netip.Addr
	for _, path := range resolvConfs {
		if !rootOwns(path) {
			continue
		}
		if text, err := os.ReadFile(path); err == nil {
			all = append(all, parseResolvConf(string(text))...)
		}
	}
	return all
}

// Via implements why.System.
func (s System) Via(to netip.Addr) (iface string, by netip.Addr, err error) { return netfilter.Via(to) }

// Addresses implements gateway.System.
func (s System) Addresses() ([]netip.Addr, error) {
	read, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, a := range read {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				list = append(list, addr.Unmap())
			}
		}
	}
	return list, nil
}

// Counters implements gateway.System.
func (s System) Counters(ctx context.Context, f rules.Family) (map[string][]uint64, error) {
	return s.Kernel.Counters(ctx, f)
}

// Wall implements gateway.System.
func (s System) Wall() ([]string, error) { return s.Kernel.Wall() }

// rootOwns reports whether a file can be trusted: where everybody may make one,
// it must be root's.
func rootOwns(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	return owner == 0 || !strings.HasPrefix(path, "/tmp/")
}

// parseResolvConf returns the servers of a file as resolv.conf(5) describes it.
func parseResolvConf(text string) []netip.Addr {
	var list []netip.Addr
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil {
			list = append(list, a)
		}
	}
	return list
}
