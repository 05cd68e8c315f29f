// Package leases reads how the household's devices call themselves, from the
// lists that DHCP servers on the box keep: dnsmasq (Pi-hole too), Kea, ISC dhcpd
// and odhcpd.
//
// Use it to show names to the owner of the box, and to find the device that
// they mean. Do not use it to decide what a device may do: a device chooses its
// name by itself, and two may choose the same.
package leases

import (
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
	"time"
)

// Lease is one device's address and what it calls itself.
type Lease struct {
	MAC  string // lower case, colons
	Addr netip.Addr
	Name string // "" if it gave none that could be a device's name
}

// maxBytes bounds what is read of a file: a lease has some hundred bytes, and a
// household some dozens of them; Kea and dhcpd write each renewal behind the last.
const maxBytes = 4 << 20

// list is where a server keeps its leases, below the root of the box, and what
// reads them. Several files are parts of one list, the oldest first.
type list struct {
	paths []string
	parse func(r io.Reader, now time.Time) ([]Lease, error)
}

// lists returns those of Debian and of OpenWrt.
func lists() []list {
	const kea = "var/lib/kea/kea-leases4.csv"
	return []list{
		{[]string{"var/lib/misc/dnsmasq.leases"}, parseDnsmasq},
		{[]string{"tmp/dhcp.leases"}, parseDnsmasq},
		{[]string{"etc/pihole/dhcp.leases"}, parseDnsmasq},
		{[]string{kea + ".2", kea + ".1", kea}, parseKea}, // .1 and .2 while Kea cleans up, and what that left
		{[]string{"var/lib/dhcp/dhcpd.leases"}, parseDhcpd},
		{[]string{"tmp/hosts/odhcpd"}, parseOdhcpd},
		{[]string{"tmp/odhcpd.leases"}, parseOdhcpd},
	}
}

// Read returns the leases in the lists that exist below root. A file that
// somebody other than root or a DHCP server could have written is refused: its
// names would be anybody's. What could be read is returned also with an error.
func Read(root string) ([]Lease, error) {
	var all []Lease
	var errs []error
	for _, l := range lists() {
		text, err := l.read(root)
		errs = append(errs, err)
		leases, err := l.parse(strings.NewReader(text), time.Now())
		all, errs = append(all, leases...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return all, fmt.Errorf("reading the DHCP leases: %w", err)
	}
	return all, nil
}

// read returns the text of a list's files that exist.
func (l list) read(root string) (string, error) {
	var all strings.Builder
	var errs []error
	for _, path := range l.paths {
		text, err := readFile(filepath.Join(root, path))
		all.Write(text)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return all.String(), errors.Join(errs...)
}

func readFile(path string) ([]byte, error) {
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
	return io.ReadAll(io.LimitReader(f, maxBytes))
}

// trusted reports whether a uid is root's, our own or a DHCP server's.
func trusted(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() {
		return true
	}
	for _, name := range []string{"dnsmasq", "pihole", "_kea", "dhcpd"} {
		if u, err := user.Lookup(name); err == nil && u.Uid == strconv.FormatUint(uint64(uid), 10) {
			return true
		}
	}
	return false
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

// lease makes one of words; false if they are something else.
func lease(hardware, address, name string) (Lease, bool) {
	mac, err := net.ParseMAC(hardware)
	addr, addrErr := netip.ParseAddr(address)
	if err != nil || len(mac) != 6 || addrErr != nil || addr.Zone() != "" {
		return Lease{}, false
	}
	return Lease{MAC: mac.String(), Addr: addr.Unmap(), Name: deviceName(name)}, true
}
