package leases

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const sample = `1795474800 02:00:00:0A:00:10 192.168.77.10 Phone 01:02:00:00:0a:00:10
1795474801 06-02:00:00:0a:00:11 192.168.77.11 my_laptop.lan *
1795474802 02:00:00:0a:00:12 192.168.77.12 * *
duid 00:01:00:01:2a:aa:aa:aa:02:00:00:0a:00:01
1795474803 7 fd77::10 phone 00:01:00:01:2a:aa:aa:aa:02:00:00:0a:00:10
1795474804 02:00:00:0a:00:13 192.168.77.13 $(reboot) *
1795474805 nonsense 192.168.77.14 x *
`

var now = time.Unix(1_800_000_000, 0)

func TestParse(t *testing.T) {
	got, err := parseDnsmasq(strings.NewReader(sample), now)
	want := []Lease{
		{"02:00:00:0a:00:10", netip.MustParseAddr("192.168.77.10"), "phone"},
		{"02:00:00:0a:00:11", netip.MustParseAddr("192.168.77.11"), "my-laptop"},
		{"02:00:00:0a:00:12", netip.MustParseAddr("192.168.77.12"), ""},
		{"02:00:00:0a:00:13", netip.MustParseAddr("192.168.77.13"), ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRead(t *testing.T) {
	root := t.TempDir()
	paths := []string{filepath.Join(root, "var/lib/misc/dnsmasq.leases"), filepath.Join(root, "tmp/dhcp.leases"),
		filepath.Join(root, "etc/pihole/dhcp.leases")}
	if list, err := Read(root); err != nil || len(list) != 0 {
		t.Fatalf("no files: %v, %v", list, err)
	}
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(sample), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := Read(root); err != nil || len(list) != 12 {
		t.Errorf("three files: %d leases, %v", len(list), err)
	}
	if err := os.Chmod(paths[1], 0o666); err != nil {
		t.Fatal(err)
	}
	if list, err := Read(root); err == nil || len(list) != 8 {
		t.Errorf("one that all may write: %d leases, %v", len(list), err)
	}
	if err := os.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(paths[0], paths[1]); err != nil {
		t.Fatal(err)
	}
	if list, err := Read(root); err == nil || len(list) != 8 {
		t.Errorf("a link: %d leases, %v", len(list), err)
	}
}

const keaSample = `address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
192.168.77.10,02:00:5e:10:00:01,01:02:00:5e:10:00:01,3600,1900000000,1,0,0,laptop,0,,0
192.168.77.11,02:00:5e:10:00:02,,3600,1900000000,1,0,0,tv.lan.,0,,0
192.168.77.12,02:00:5e:10:00:03,,3600,1700000000,1,0,0,gone,0,,0
192.168.77.13,,,3600,1900000000,1,0,0,,1,,0
192.168.77.14,02:00:5e:10:00:05,,3600,1900000000,1,0,0,phone,0,,0
192.168.77.14,02:00:5e:10:00:05,,3600,1900000000,1,0,0,phone,2,,0
192.168.77.15,02:00:5e:10:00:06,,0,1900000000,1,0,0,released,0,,0
`

const dhcpdSample = `# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
lease 192.168.77.10 {
  starts 4 2030/01/03 10:00:00;
  ends 4 2030/01/03 22:00:00;
  binding state free;
  hardware ethernet 02:00:5e:10:00:09;
}
lease 192.168.77.10 {
  ends 4 2030/01/03 22:00:00;
  cltt 4 2030/01/03 10:00:00;
  binding state active;
  next binding state free;
  hardware ethernet 02:00:5e:10:00:01;
  uid "\\001\\002";
  client-hostname "laptop";
}
lease 192.168.77.11 {
  ends never;
  binding state active;
  hardware ethernet 02:00:5e:10:00:02;
  client-hostname "TV";
}
lease 192.168.77.12 {
  ends 4 2020/01/02 22:00:00;
  binding state active;
  hardware ethernet 02:00:5e:10:00:03;
}
`

const odhcpdSample = `# br-lan 02005e100001 ipv4 laptop 1900000000 c0a84d0a 32 192.168.77.10/32
192.168.77.10	laptop.lan	laptop
# br-lan 02005e100002 ipv4 tv -1 c0a84d0b 32 192.168.77.11/32
# br-lan 02005e100003 ipv4 gone 1700000000 c0a84d0c 32 192.168.77.12/32
# br-lan 00010001 1a2b laptop 1900000000 5 128 fd77::5/128
`

// TestFormats: two devices in each list, and none of those that left.
func TestFormats(t *testing.T) {
	for text, parse := range map[string]func(io.Reader, time.Time) ([]Lease, error){keaSample: parseKea, dhcpdSample: parseDhcpd,
		odhcpdSample: parseOdhcpd} {
		got, err := parse(strings.NewReader(text), now)
		want := []Lease{
			{"02:00:5e:10:00:01", netip.MustParseAddr("192.168.77.10"), "laptop"},
			{"02:00:5e:10:00:02", netip.MustParseAddr("192.168.77.11"), "tv"},
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%.20s: %v, %v", text, got, err)
		}
	}
	got, err := parseOdhcpd(strings.NewReader(`# br-lan 02005e100001 ipv4 broken\x20laptop 1900000000 c0a84d0a 32 192.168.77.10/32`), now)
	if err != nil || len(got) != 1 || got[0].Name != "" {
		t.Errorf("a name of two devices: %v, %v", got, err)
	}
}

// TestKeaCleansUp: what the file of the last hour does not repeat is in the one
// before.
func TestKeaCleansUp(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "var/lib/kea")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(keaSample, "\n")
	end := time.Now().Add(time.Hour).Unix()
	for name, line := range map[string]string{
		"kea-leases4.csv.2": fmt.Sprintf("192.168.77.10,02:00:5e:10:00:01,,3600,%d,1,0,0,old,0,,0\n"+
			"192.168.77.11,02:00:5e:10:00:02,,3600,%d,1,0,0,tv,0,,0\n", end, end),
		"kea-leases4.csv": fmt.Sprintf("192.168.77.10,02:00:5e:10:00:03,,3600,%d,1,0,0,new,0,,0\n", end),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(head+"\n"+line), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	list, err := Read(root)
	if err != nil || len(list) != 2 || list[0].Name != "tv" || list[1].Name != "new" {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add(keaSample)
	f.Add(dhcpdSample)
	f.Add(odhcpdSample)
	f.Add("1 02:00:00:00:00:01 ::ffff:1.2.3.4 - -")
	f.Fuzz(func(t *testing.T, text string) {
		for _, l := range lists() {
			list, _ := l.parse(strings.NewReader(text), now)
			for _, l := range list {
				if len(l.MAC) != 17 || !l.Addr.IsValid() || l.Addr.Is4In6() || l.Name != "" && !name.MatchString(l.Name) {
					t.Errorf("%q gives %+v", text, l)
				}
			}
		}
	})
}
