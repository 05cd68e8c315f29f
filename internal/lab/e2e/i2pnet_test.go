//go:build lab

package e2e

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/internal/lab"
)

// i2pRouters are enough for tunnels of one hop: three of them keep the network's database.
const (
	i2pRouters    = 5
	i2pFloodfills = 3
)

// i2pNet is an I2P network of its own on the lab's internet. i2pd takes nothing from
// addresses that are kept for documentation, so its routers have others, and see exits by
// others too.
type i2pNet struct {
	w   *world
	dir string
	all []lab.Process
}

// i2pNetwork starts the network. It ends with the test.
func (w *world) i2pNetwork() *i2pNet {
	w.Helper()
	dir, err := os.MkdirTemp("", "tunic-i2p-"+labID)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the box's own i2pd reads what is in it
		w.Fatal(err)
	}
	n := &i2pNet{w: w, dir: dir}
	w.Cleanup(n.end)
	for i := range i2pRouters {
		w.must(lab.InternetNode, "ip", "address", "add", n.address(i)+"/32", "dev", "lo")
		n.prepare(i)
	}
	w.must(lab.InternetNode, "ip", "route", "add", "198.19.0.0/16", "dev", "eth0")
	w.must(lab.InternetNode, "iptables", "-t", "nat", "-A", "INPUT", "-s", "203.0.113.0/24", "-d", "198.18.0.0/16",
		"-j", "NETMAP", "--to", "198.19.0.0/24")
	n.meet()
	for i := range i2pRouters {
		n.start(i, "", "--reseed.zipfile="+n.seed())
	}
	return n
}

func (n *i2pNet) address(i int) string    { return fmt.Sprintf("198.18.%d.1", i+1) }
func (n *i2pNet) router(i int) string     { return filepath.Join(n.dir, fmt.Sprint(i)) }
func (n *i2pNet) seed() string            { return filepath.Join(n.dir, "seed.zip") }
func (n *i2pNet) routerInfo(i int) string { return filepath.Join(n.router(i), "router.info") }

// prepare writes the files of a router, which publishes the lab's web.
func (n *i2pNet) prepare(i int) {
	n.w.Helper()
	conf := fmt.Sprintf(`loglevel = error
log = stdout
netid = 77
reservedrange = false
nat = false
floodfill = %[1]v
host = %[2]s
address4 = %[2]s
port = %[3]d
ntcp2.port = %[3]d
bandwidth = X
ssu2.enabled = false
http.enabled = false
httpproxy.enabled = false
sam.enabled = false
addressbook.enabled = false
socksproxy.address = %[2]s
socksproxy.port = 4447
socksproxy.inbound.length = 1
socksproxy.outbound.length = 1
exploratory.inbound.length = 1
exploratory.outbound.length = 1
`, i < i2pFloodfills, n.address(i), 20000+i)
	site := "[site]\ntype = http\nhost = " + web4 + "\nport = 80\ninport = 80\nkeys = site.dat\ninbound.length = 1\noutbound.length = 1\n"
	if err := os.Mkdir(n.router(i), 0o700); err != nil {
		n.w.Fatal(err)
	}
	n.w.write(filepath.Join(n.router(i), "i2pd.conf"), conf)
	n.w.write(filepath.Join(n.router(i), "tunnels.conf"), site)
}

// start starts a router.
func (n *i2pNet) start(i int, name string, more ...string) lab.Process {
	n.w.Helper()
	dir := n.router(i)
	p, err := n.w.lab.Start(lab.InternetNode, fmt.Sprintf("i2pd-%d%s", i, name), append([]string{"i2pd", "--datadir=" + dir,
		"--conf=" + filepath.Join(dir, "i2pd.conf"), "--tunconf=" + filepath.Join(dir, "tunnels.conf"),
		"--tunnelsdir=" + filepath.Join(dir, "none"), "--certsdir=/usr/share/i2pd/certificates"}, more...)...)
	if err != nil {
		n.w.Fatal(err)
	}
	n.all = append(n.all, p)
	return p
}

// meet has each router say who it is, and makes of that what a reseed server would send.
func (n *i2pNet) meet() {
	n.w.Helper()
	for i := range i2pRouters {
		n.start(i, "-first", "--reseed.urls=http://127.0.0.1:1/")
	}
	n.w.eventually("the routers of I2P say who they are", 30*time.Second, func() bool {
		for i := range i2pRouters {
			if _, err := os.Stat(n.routerInfo(i)); err != nil || n.site(i) == "" {
				return false
			}
		}
		return true
	})
	n.end()
	f, err := os.Create(n.seed())
	if err != nil {
		n.w.Fatal(err)
	}
	z := zip.NewWriter(f)
	for i := range i2pRouters {
		raw, err := os.ReadFile(n.routerInfo(i))
		if err != nil {
			n.w.Fatal(err)
		}
		one, err := z.Create(fmt.Sprintf("routerInfo-%d.dat", i))
		if err == nil {
			_, err = one.Write(raw)
		}
		if err != nil {
			n.w.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		n.w.Fatal(err)
	}
	if err := f.Close(); err != nil {
		n.w.Fatal(err)
	}
}

// site is the name of what a router publishes, "" before it has keys: the hash of the
// destination that its file begins with, by the length in its certificate.
func (n *i2pNet) site(i int) string {
	raw, err := os.ReadFile(filepath.Join(n.router(i), "site.dat"))
	if err != nil || len(raw) < 387 {
		return ""
	}
	end := 387 + int(raw[385])<<8 + int(raw[386])
	if len(raw) < end {
		return ""
	}
	hash := sha256.Sum256(raw[:end])
	return strings.ToLower(strings.TrimRight(base32.StdEncoding.EncodeToString(hash[:]), "=")) + ".b32.i2p"
}

// fetch gets a page as somebody in I2P who has no box.
func (n *i2pNet) fetch(url string) (string, bool) {
	return n.w.curl(lab.InternetNode, 20, "--socks5-hostname", n.address(i2pRouters-1)+":4447", url)
}

func (n *i2pNet) end() {
	for _, p := range n.all {
		n.w.endProcess(p)
	}
	n.all = nil
}

// joining are the lines by which the box's own i2pd finds this network.
func (n *i2pNet) joining() string {
	return "netid = 77\nreservedrange = false\nexploratory.inbound.length = 1\nexploratory.outbound.length = 1\n" +
		"[socksproxy]\ninbound.length = 1\noutbound.length = 1\n[reseed]\nzipfile = " + n.seed() + "\n"
}
