//go:build machines

package machines

import (
	"fmt"
	"net/netip"
	"slices"

	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// fromOutside scans all TCP ports of the box from the internet, while programs
// of the owner's listen on every address, as servers of Debian's do. At home the
// same scan finds them.
func fromOutside(w *world) {
	for _, family := range []string{"-4", "-6"} {
		unit := "everywhere" + family
		w.must(box, "systemd-run", "--quiet", "--unit="+unit, "nc", family, "-l", "-k", "22")
		defer w.must(box, "systemctl", "stop", unit)
	}
	n, err := w.lab.Plan().Node(box)
	if err != nil {
		w.Fatal(err)
	}
	if open := w.scanned(lab.InternetNode, n.Uplink.Addrs); len(open) > 0 {
		w.Errorf("open to the internet: %q", open)
	}
	open := w.scanned("laptop", n.LAN.Addrs)
	for _, a := range n.LAN.Addrs {
		if !slices.Contains(open, fmt.Sprintf("%s 22", a.Addr())) {
			w.Errorf("at home, open at %s is only: %q", a.Addr(), open)
		}
	}
}

// scanned is what a node finds open at addresses of the box, "ADDRESS PORT".
func (w *world) scanned(from string, addrs []netip.Prefix) (open []string) {
	w.Helper()
	n, err := w.lab.Plan().Node(from)
	if err != nil {
		w.Fatal(err)
	}
	host := traffic.Host{Namespace: n.Namespace}
	for _, a := range addrs {
		ports, err := host.Scan(a.Addr())
		if err != nil {
			w.Fatal(err)
		}
		for _, port := range ports {
			open = append(open, fmt.Sprintf("%s %d", a.Addr(), port))
		}
	}
	return open
}
