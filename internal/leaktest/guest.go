package leaktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tunic/rules/netfilter"
)

// order is what the guest is told to do.
type order struct {
	Interface  string
	Candidates []netip.Prefix // IPv4 addresses, of which the first free one is taken
	Addr6      netip.Prefix   // invalid: no IPv6
	Via        []netip.Addr
	Nonce      string
}

// report is what the guest says when it has its addresses, and again when all
// is sent.
type report struct {
	Addrs []netip.Addr `json:",omitempty"`
	Sent  bool         `json:",omitempty"`
	// What the guest heard of routers, and how often it asked; with Sent.
	Answers []Answer `json:",omitempty"`
	Asked   int      `json:",omitempty"`
	Error   string   `json:",omitempty"`
}

// guestLimit bounds the life of a guest.
const guestLimit = time.Minute

// RunGuest is the life of the process in the namespace: it reads its order,
// takes its addresses, waits for a byte, sends everything, and waits to be
// ended.
func RunGuest(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	answer := json.NewEncoder(out)
	orders := json.NewDecoder(in)
	var o order
	if err := orders.Decode(&o); err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	addrs, err := moveIn(ctx, o)
	if err != nil {
		return errors.Join(err, answer.Encode(report{Error: err.Error()}))
	}
	if err := answer.Encode(report{Addrs: addrs}); err != nil {
		return err
	}
	var begin bool
	if err := orders.Decode(&begin); err != nil {
		return fmt.Errorf("waiting for the beginning: %w", err)
	}
	heard, asked, err := askAround(o.Interface, o.Addr6.IsValid())
	if err == nil {
		err = sendAll(ctx, addrs, o.Nonce)
	}
	if err != nil {
		return errors.Join(err, answer.Encode(report{Error: err.Error()}))
	}
	if err := answer.Encode(report{Sent: true, Answers: heard, Asked: asked}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func moveIn(ctx context.Context, o order) ([]netip.Addr, error) {
	if err := believeNobody(o.Interface); err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	if len(o.Candidates) > 0 {
		if err := netfilter.MoveIn(ctx, o.Interface, nil, nil); err != nil {
			return nil, err
		}
		free, err := firstFree(o.Interface, o.Candidates)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, free)
	}
	if o.Addr6.IsValid() {
		prefixes = append(prefixes, o.Addr6)
	}
	if err := netfilter.MoveIn(ctx, o.Interface, prefixes, o.Via); err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, p := range prefixes {
		addrs = append(addrs, p.Addr())
	}
	return addrs, nil
}

// believeNobody has the guest's kernel follow no router advertisement: what it
// sends is to go to the box.
func believeNobody(name string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_ra", []byte("0"), 0o644)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6, or no such interface, which is told next
		return fmt.Errorf("preparing %q: %w", name, err)
	}
	return nil
}

// sendAll sends each class three times: the first packet of a connection often
// goes another way than the next.
func sendAll(ctx context.Context, from []netip.Addr, nonce string) error {
	for range 3 {
		for n, c := range classes {
			for _, a := range from {
				if c.only4 && a.Is6() {
					continue
				}
				if err := send(ctx, n, a, nonce); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// firstFree returns the first address that no host answers for (RFC 5227,
// section 2.1.1).
func firstFree(name string, candidates []netip.Prefix) (netip.Prefix, error) {
	for _, c := range candidates {
		taken, err := answers(name, c.Addr())
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("looking whether %s is free: %w", c.Addr(), err)
		}
		if !taken {
			return c, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("all of the %d addresses that were tried are taken", len(candidates))
}

// answers sends ARP probes and reports whether anybody has the address.
func answers(name string, a netip.Addr) (bool, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return false, err
	}
	fd, err := openTap(name, unix.ETH_P_ARP)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	everybody := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ARP), Ifindex: i.Index, Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	buffer := make([]byte, 128)
	for range 3 {
		if err := unix.Sendto(fd, arpProbe(i.HardwareAddr, a), 0, everybody); err != nil {
			return false, err
		}
		for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
			n, _, err := unix.Recvfrom(fd, buffer, 0)
			if err == nil && isARPFrom(buffer[:n], a) {
				return true, nil
			}
		}
	}
	return false, nil
}

// arpProbe asks who has an address without naming one (RFC 5227).
func arpProbe(mac net.HardwareAddr, a netip.Addr) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1} // Ethernet, IPv4, request (RFC 826)
	b = append(b, mac...)
	b = append(b, make([]byte, 4+6)...)
	return append(b, a.AsSlice()...)
}

// isARPFrom reports whether a message is about an address of its sender.
func isARPFrom(b []byte, a netip.Addr) bool {
	return len(b) >= 28 && b[4] == 6 && b[5] == 4 && netip.AddrFrom4([4]byte(b[14:18])) == a
}
