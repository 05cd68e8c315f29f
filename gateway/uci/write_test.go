package uci

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
)

const network = `
config interface 'loopback'
	option device 'lo'
	option proto 'static'

config device
	option name 'br-lan'
	option type 'bridge'
	list ports 'lan1'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'

config interface 'lan6'
	option device '@lan'

config interface 'guest'
	option device 'br-lan.20'

config interface 'wg0'
	option proto 'wireguard'

config interface 'old'
	option type 'bridge'
	option ifname 'eth0.1 eth0.2'

config interface 'many'
	option ifname 'eth0.1 eth0.2'

config interface 'nothing'
	option proto 'dhcp'

config interface 'round'
	option device '@about'

config interface 'about'
	option device '@round'
`

const bridge = "obfs4 203.0.113.20:9443 0123456789ABCDEF0123456789ABCDEF01234567 " +
	"cert=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA iat-mode=0"

// box is a root with both files, and what else files name.
func box(t *testing.T, tunic string, files map[string]string) config.Paths {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{"etc/config/tunic": tunic, "etc/config/network": network}
	for path, text := range files {
		all[path] = text
	}
	for path, text := range all {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return config.NewPaths(root)
}

func TestWriteEverything(t *testing.T) {
	p := box(t, `
config tunic 'main'
	option enabled '1'
	option dnsmasq 'on'
	option policy 'onion'
	option own_traffic 'direct'
	option one_arm '0'
	list network 'lan'
	list network 'lan6'
	list network 'old'
	list other_network 'guest'
	list other_network 'wg0'
	list inbound 'tcp/22'
	list inbound 'udp/51820'
	list bridge '`+bridge+`'

config bypass 'bank'
	list domain 'bank.example'
	list device 'tv'

config bypass
	list prefix '198.51.100.0/24'
`, map[string]string{"etc/tunic/devices/tv.toml": "mac = \"02:00:00:00:00:01\"\npolicy = \"tor\"\n"})
	changed, err := Write(p)
	if err != nil || !changed {
		t.Fatalf("Write() = %v, %v", changed, err)
	}
	info, err := os.Stat(p.Main())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file, which may hold secret bridges, is %v, %v", info, err)
	}
	c, err := config.Load(p)
	if err != nil {
		t.Fatal(err)
	}
	if h := c.Household; !slices.Equal(h.Interfaces, []string{"br-lan", "br-old"}) || h.DefaultPolicy != config.PolicyOnion || h.OneArm {
		t.Errorf("the household is %+v", h)
	}
	if g := c.Gateway; g.OwnTraffic != config.OwnDirect || !slices.Equal(g.OtherNetworks, []string{"br-lan.20", "wg0"}) ||
		len(g.Inbound) != 2 {
		t.Errorf("the gateway is %+v", g)
	}
	if len(c.Tor.Bridges) != 1 {
		t.Errorf("the bridges are %v", c.Tor.Bridges)
	}
	if b := c.Bypasses; len(b) != 2 || !slices.Equal(b[0].Domains, []string{"bank.example"}) ||
		!slices.Equal(b[0].Devices, []string{"tv"}) ||
		!slices.Equal(b[1].Prefixes, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}) {
		t.Errorf("the bypasses are %+v", b)
	}
	if changed, err := Write(p); changed || err != nil {
		t.Errorf("a second time: %v, %v", changed, err)
	}
}

// TestMistakes: each names the line and the option of the file of UCI, and leaves
// the file that is in force.
func TestMistakes(t *testing.T) {
	const head = "config tunic 'main'\n\tlist network 'lan'\n"
	old := string(summed([]byte("old\n")))
	for _, c := range [][2]string{
		{head + "\toption polcy 'tor'\n", "tunic:3: option polcy: there is no such option"},
		{head + "\toption policy 'tro'\n", `tunic:3: option policy: "tro" is none of`},
		{head + "\tlist policy 'tor'\n", "tunic:3: list policy: it has one value"},
		{head + "\toption one_arm 'maybe'\n", `tunic:3: option one_arm: "maybe" is neither yes nor no`},
		{head + "\toption enabled '2'\n", `tunic:3: option enabled: "2" is neither yes nor no`},
		{head + "\tlist inbound 'tcp/22'\n\tlist inbound 'tcp/0'\n", "tunic:4: list inbound: "},
		{head + "\tlist other_network 'lan'\n", "tunic:3: list other_network: "},
		{head + "\tlist bridge 'obfs4'\n", "tunic:3: list bridge: "},
		{head + "\tlist bridge 'a\nb'\n", "tunic:3: list bridge: there is a character"},
		{head + "config bypass\n\tlist domain 'com'\n", "tunic:4: list domain: "},
		{head + "config bypass\n\tlist domain 'a.example'\n\tlist device 'tv'\n", `tunic:5: list device: there is no device called "tv"`},
		{head + "config bypass 'x'\n", "tunic:3: bypass[0].domains: "},
		{head + "config bypas\n", `tunic:3: a section "bypas" called '' means nothing`},
		{head + head, "tunic:3: the section 'main' stands here a second time"},
		{"config tunic 'main'\n\tlist network 'lna'\n", `tunic:2: list network: there is no network called "lna"`},
		{"config tunic 'main'\n\tlist network 'many'\n", "tunic:2: list network: the network \"many\" has several devices"},
		{"config tunic 'main'\n\tlist network 'nothing'\n", "tunic:2: list network: the network \"nothing\" has no device"},
		{"config tunic 'main'\n\tlist network 'round'\n", "tunic:2: list network: the network \"round\" is an alias that"},
		{"config tunic 'main'\n\tlist network 'loopback'\n", "tunic:2: list network: lo is the box itself"},
		{"config tunic 'main'\n\toption enabled '1'\n", "tunic:1: no network of the household"},
		{"config tunic\n\tlist network 'lan'\n", `tunic:1: a section "tunic" called '' means nothing`},
		{"config tunic 'main'\n\tlist network 'lan'\n\toption policy 'x", "tunic:3: the text is not closed"},
	} {
		tunic, want := c[0], c[1]
		p := box(t, tunic, map[string]string{"etc/tunic/tunic.toml": old})
		changed, err := Write(p)
		if !errors.As(err, new(config.Errors)) || changed {
			t.Errorf("%q: %v, %v", tunic, changed, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), filepath.Join(p.Root, "etc/config")+"/"+want) {
			t.Errorf("%q:\n%v\nwant %s", tunic, err, want)
		}
		if text, _ := os.ReadFile(p.Main()); string(text) != old {
			t.Errorf("%q: the file is now %s", tunic, text)
		}
	}
}

// TestOwn: what its owner has written is not touched.
func TestOwn(t *testing.T) {
	const own = "[household]\ninterfaces = [\"eth1\"]\n"
	p := box(t, "config tunic 'main'\n\tlist network 'lan'\n", map[string]string{"etc/tunic/tunic.toml": own})
	if changed, err := Write(p); !errors.Is(err, ErrOwn) || changed {
		t.Errorf("Write() = %v, %v", changed, err)
	}
	if text, _ := os.ReadFile(p.Main()); string(text) != own {
		t.Errorf("the file is now %s", text)
	}
}

// TestChanged: what a verb has changed in the file is not lost.
func TestChanged(t *testing.T) {
	p := box(t, "config tunic 'main'\n\tlist network 'lan'\n", nil)
	if changed, err := Write(p); err != nil || !changed {
		t.Fatalf("Write() = %v, %v", changed, err)
	}
	text, err := os.ReadFile(p.Main())
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text) + "\n[[bypass]]\ndomains = [\"bank.example\"]\n"
	if err := os.WriteFile(p.Main(), []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := Write(p); !errors.Is(err, ErrChanged) || changed {
		t.Errorf("Write() = %v, %v", changed, err)
	}
	if text, _ := os.ReadFile(p.Main()); string(text) != edited {
		t.Errorf("the file is now %s", text)
	}
}

// TestQuoted: what the TOML holds is what UCI held.
func TestQuoted(t *testing.T) {
	p := box(t, "config tunic 'main'\n\tlist network 'lan'\n\toption policy 'a\\\"b'\n", nil)
	if _, err := Write(p); err == nil || !strings.Contains(err.Error(), `"a\\\"b" is none of`) {
		t.Errorf("Write() = %v", err)
	}
}
