package config

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParsePortTarget(t *testing.T) {
	tests := []struct {
		text string
		want Port   // if err is empty
		err  string // one mistake and its hint
	}{
		{"80=192.168.77.20:8080", Port{80, Target{Addr: netip.MustParseAddrPort("192.168.77.20:8080")}}, ""},
		{"65535=[fd77::20]:1", Port{65535, Target{Addr: netip.MustParseAddrPort("[fd77::20]:1")}}, ""},
		{"1=[::ffff:10.0.0.1]:80", Port{1, Target{Addr: netip.MustParseAddrPort("10.0.0.1:80")}}, ""},
		{"22=unix:/run/sshd=x.sock", Port{22, Target{Unix: "/run/sshd=x.sock"}}, ""},
		{"70=endpoint:gopher", Port{70, Target{Endpoint: "gopher"}}, ""},
		{"80=NAS.lan.:8080", Port{80, Target{Host: "nas.lan", Port: 8080}}, ""},
		{"80=3dprinter:80", Port{80, Target{Host: "3dprinter", Port: 80}}, ""},

		{"80", Port{}, "80: no = in it\n    write PORT=TARGET, like 80=192.168.77.20:8080"},
		{"0=10.0.0.1:80", Port{}, `0=10.0.0.1:80: "0" is no port: 1 to 65535`},
		{"+80=10.0.0.1:80", Port{}, `+80=10.0.0.1:80: "+80" is no port: 1 to 65535`},
		{"80=", Port{}, "80=: \"\" is not a target\n    " + targetHint},
		{"80=8080", Port{}, "80=8080: \"8080\" is a port without an address\n    write \"127.0.0.1:8080\" if it is on the box"},
		{"80=:8080", Port{}, "80=:8080: \":8080\" has no address\n    write \"127.0.0.1:8080\" if it is on the box"},
		{"80=localhost:8080", Port{}, "80=localhost:8080: \"localhost\" is a name\n    write \"127.0.0.1:8080\""},
		{"80=nas_x.lan:80", Port{}, "80=nas_x.lan:80: \"nas_x.lan\" is neither an IP address nor the name of a host\n    " + targetHint},
		{"80=010.0.0.1:80", Port{}, "80=010.0.0.1:80: \"010.0.0.1\" is neither an IP address nor the name of a host\n    " + targetHint},
		{"80=0xa000001:80", Port{}, "80=0xa000001:80: \"0xa000001\" is neither an IP address nor the name of a host\n    " + targetHint},
		{"80=nas:0", Port{}, "80=nas:0: \"0\" is no port: 1 to 65535"},
		{"80=alice.peer.home.arpa:80", Port{},
			"80=alice.peer.home.arpa:80: \"alice.peer.home.arpa\" is reached through Tor\n    a target is a host of this house"},
		{"80=10.0.0.1", Port{}, "80=10.0.0.1: \"10.0.0.1\" has no port\n    write \"10.0.0.1:80\""},
		{"80=[fd77::1]", Port{}, "80=[fd77::1]: \"[fd77::1]\" has no port\n    write \"[fd77::1]:80\""},
		{"80=fd77::1", Port{}, "80=fd77::1: \"fd77::1\" has no port\n    write \"[fd77::1]:80\""},
		{"80=10.0.0.1:0", Port{}, "80=10.0.0.1:0: 0 is no port: 1 to 65535"},
		{"80=10.0.0.1:http", Port{}, "80=10.0.0.1:http: \"http\" is no port: 1 to 65535"},
		{"80=http://10.0.0.1:80/", Port{}, "80=http://10.0.0.1:80/: \"http://10.0.0.1:80/\" is a URL\n    " + targetHint},
		{"80=0.0.0.0:80", Port{}, "80=0.0.0.0:80: 0.0.0.0 is not the address of one host\n    give the address of one host"},
		{"80=[::]:80", Port{}, "80=[::]:80: :: is not the address of one host\n    give the address of one host"},
		{"80=239.1.1.1:80", Port{}, "80=239.1.1.1:80: 239.1.1.1 is not the address of one host\n    give the address of one host"},
		{"80=255.255.255.255:80", Port{},
			"80=255.255.255.255:80: 255.255.255.255 is not the address of one host\n    give the address of one host"},
		{"80=[fe80::1]:80", Port{},
			"80=[fe80::1]:80: fe80::1 is there on every interface\n    write [fe80::1%br-lan]:80 with the interface's name"},
		{"80=[fe80::1%a\nb]:80", Port{}, "80=[fe80::1%a\nb]:80: \"a\\nb\" is not the name of an interface\n    " + interfacesHint},
		{"80=unix:run/x", Port{}, "80=unix:run/x: the path \"run/x\" does not begin with /\n    write unix:/the/whole/path"},
		{"80=unix:/a/../b", Port{}, "80=unix:/a/../b: the path \"/a/../b\" is not in its shortest form\n    write unix:/b"},
		{"80=unix:/a\x00b", Port{}, "80=unix:/a\x00b: the path has characters in it that no file should have"},
		{"80=unix:/\xff", Port{}, "80=unix:/\xff: the path has characters in it that no file should have"},
		{"80=endpoint:Go", Port{}, "80=endpoint:Go: the name \"Go\" has upper-case letters\n    call it \"go\""},
	}
	for _, tt := range tests {
		got, err := ParsePortTarget(tt.text)
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("ParsePortTarget(%q) = %+v, %v; want %+v", tt.text, got, err, tt.want)
		case tt.err != "" && (err == nil || err.Error() != tt.err || got != Port{}):
			t.Errorf("ParsePortTarget(%q) = %+v,\n%v\nwant\n%s", tt.text, got, err, tt.err)
		}
	}
	long := "80=unix:/" + strings.Repeat("x", maxUnixPath)
	if _, err := ParsePortTarget(long); err == nil {
		t.Error("a path that is too long for a socket is taken")
	}
	if _, err := ParsePortTarget(long[:len(long)-1]); err != nil {
		t.Error(err)
	}
}

func FuzzParsePortTarget(f *testing.F) {
	for _, s := range []string{"80=10.0.0.1:80", "1=[fe80::1%br-lan]:2",
		"22=unix:/a b", "70=endpoint:gopher", "80=localhost:1", "=", "80=::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePortTarget(text)
		if err != nil {
			return
		}
		if p.Virtual == 0 || strings.ContainsAny(p.Target.String(), "\n\x00") {
			t.Errorf("ParsePortTarget(%q) = %+v", text, p)
		}
		again, p2 := parseTarget(p.Target.String())
		if p2 != nil || again != p.Target {
			t.Errorf("%+v is written as %q, which is %+v, %v", p.Target, p.Target, again, p2)
		}
	})
}
