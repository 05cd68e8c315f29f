// Package leases reads how the household's devices call themselves, from the
// list that the DHCP server dnsmasq keeps.
//
// Use it to show names to the owner of the box, and to find the device that he
// means. Do not use it to decide what a device may do: a device chooses its
// name by itself, and two may choose the same.
package leases

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// Lease is one device's address and what it calls itself.
type Lease struct {
	MAC  string // lower case, colons
	Addr netip.Addr
	Name string // "" if it gave none that could be a device's name
}

// maxBytes bounds what is read of a list: a lease has some hundred bytes, and
// a household some dozens of them.
const maxBytes = 1 << 20

// Paths are where dnsmasq keeps its list on Debian and on OpenWrt, and in
// Pi-hole, below root.
func Paths(root string) []string {
	return []string{filepath.Join(root, "var/lib/misc/dnsmasq.leases"), filepath.Join(root, "tmp/dhcp.leases"),
		filepath.Join(root, "etc/pihole/dhcp.leases")}
}

// Read returns the leases in the files that exist. A file that somebody other
// than root or the DHCP server could have written is refused: its names would be
// anybody's. What could be read is returned also with an error.
func Read(paths []string) ([]Lease, error) {
	var all []Lease
	var errs []error
	for _, path := range paths {
		list, err := readFile(path)
		all = append(all, list...)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("reading the DHCP leases: %w", err))
		}
	}
	return all, errors.Join(errs...)
}

func readFile(path string) ([]Lease, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 || !trusted(owner) {
		return nil, fmt.Errorf("%s could be anybody's: it belongs to uid %d and has mode %v", path, owner, info.Mode())
	}
	return Parse(io.LimitReader(f, maxBytes))
}

// trusted reports whether a uid is root's, our own or a DHCP server's.
func trusted(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() {
		return true
	}
	for _, name := range []string{"dnsmasq", "pihole"} {
		if u, err := user.Lookup(name); err == nil && u.Uid == strconv.FormatUint(uint64(uid), 10) {
			return true
		}
	}
	return false
}

// Parse reads lines "EXPIRY MAC ADDRESS NAME CLIENT-ID" (dnsmasq(8),
// --dhcp-leasefile). The hardware address may have a type before it
// ("06-02:00:..."). Lines that are something else, such as those of DHCPv6,
// which have no hardware address, are left out.
func Parse(r io.Reader) ([]Lease, error) {
	var list []Lease
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 {
			continue
		}
		hardware := words[1]
		if kind, rest, ok := strings.Cut(hardware, "-"); ok && len(kind) == 2 {
			hardware = rest
		}
		mac, err := net.ParseMAC(hardware)
		addr, addrErr := netip.ParseAddr(words[2])
		if err != nil || len(mac) != 6 || addrErr != nil || addr.Zone() != "" {
			continue
		}
		list = append(list, Lease{MAC: mac.String(), Addr: addr.Unmap(), Name: deviceName(words[3])})
	}
	if err := lines.Err(); err != nil {
		return list, fmt.Errorf("reading a line: %w", err)
	}
	return list, nil
}

// name is what a device of ours can be called.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,29}$`)

// deviceName makes a device's own name one of ours, or "".
func deviceName(word string) string {
	word, _, _ = strings.Cut(strings.ToLower(word), ".")
	word = strings.ReplaceAll(word, "_", "-")
	if !name.MatchString(word) {
		return ""
	}
	return word
}
