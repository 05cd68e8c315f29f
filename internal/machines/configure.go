package machines

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/config"
	"tunic/internal/lab"
)

// configure makes the mounted system a router, as its owner would: addresses by
// systemd-networkd (NetworkManager is there, and off), forwarding on, the firewall
// of Debian enabled with its stock rules. tunic is not there yet; only its tor is
// told of the lab's network.
func (m *Machine) configure(ctx context.Context) error {
	plan := m.lab.Plan()
	n, err := plan.Node(m.gateway)
	if err != nil {
		return err
	}
	network, err := os.ReadFile(filepath.Join(config.NewPaths(m.lab.Root(m.gateway)).TorrcDir(), "lab.conf"))
	if err != nil {
		return fmt.Errorf("reading the lab's Tor network: %w", err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	files := map[string]string{
		"etc/hostname":                "box\n",
		"etc/hosts":                   "127.0.0.1 localhost\n127.0.1.1 box\n::1 localhost\n",
		"etc/machine-id":              hex.EncodeToString(id) + "\n",
		"etc/resolv.conf":             fmt.Sprintf("nameserver %s\n", n.Resolver),
		"etc/sysctl.d/30-router.conf": routerSysctls,
		"etc/tunic/torrc.d/lab.conf":  string(network),
		"var/log/journal/.keep":       "", // journald keeps what it writes
	}
	for path, text := range files {
		if err := m.WriteFile(path, text); err != nil {
			return err
		}
	}
	if err := m.configureNetwork(); err != nil {
		return err
	}
	if err := command(ctx, "systemctl", "--quiet", "--root="+m.system(), "disable", "NetworkManager.service"); err != nil {
		return err
	}
	for _, unit := range []string{"systemd-networkd.service", "nftables.service"} {
		if err := command(ctx, "systemctl", "--quiet", "--root="+m.system(), "enable", unit); err != nil {
			return err
		}
	}
	return nil
}

// configureNetwork gives the addresses to the interfaces that the machine has
// after its next start.
func (m *Machine) configureNetwork() error {
	n, err := m.lab.Plan().Node(m.gateway)
	if err != nil {
		return err
	}
	wan, lan := networkFile(lab.MachineUplink, n.Uplink, n.MachineDefault()), networkFile(lab.MachineLAN, n.LAN, nil)
	if n.Beside {
		lan = networkFile(lab.MachineLAN, n.LAN, n.MachineDefault())
	}
	return errors.Join(m.WriteFile("etc/systemd/network/10-wan.network", wan), m.WriteFile("etc/systemd/network/20-lan.network", lan))
}

const routerSysctls = `net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.ipv6.conf.default.forwarding = 1
net.ipv6.conf.all.accept_dad = 0
net.ipv6.conf.default.accept_dad = 0
`

// networkFile is a systemd.network(5) file.
func networkFile(name string, i lab.Interface, routers []netip.Addr) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[Match]\nName=%s\n\n[Network]\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n", name)
	for _, a := range i.Addrs {
		fmt.Fprintf(&b, "Address=%s\n", a)
	}
	for _, a := range routers {
		fmt.Fprintf(&b, "Gateway=%s\n", a)
	}
	return b.String()
}

// WriteFile writes a file of the machine, which may be on; path is relative to
// its root.
func (m *Machine) WriteFile(path, text string) error {
	path = filepath.Join(m.system(), path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the directory of a file of the machine: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing a file of the machine: %w", err)
	}
	return nil
}
