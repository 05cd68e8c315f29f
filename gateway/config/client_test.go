package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const (
	someKey  = "HWPNEXMK4TH3OXJUYQFQRIMLV6AH3OYDWCVC3VRBHM64FJRWCRZA"
	otherKey = "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"
)

func TestParseClient(t *testing.T) {
	for text, want := range map[string]Client{
		"alice":                               {Peer: "alice"},
		someKey:                               {Key: someKey},
		strings.ToLower(someKey):              {Key: someKey},
		"descriptor:x25519:" + someKey:        {Key: someKey},
		"grandma:" + strings.ToLower(someKey): {Label: "grandma", Key: someKey},
	} {
		got, err := ParseClient(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := ParseClient(got.String()); err != nil || again != got {
			t.Errorf("%+v is written %q, which is %+v, %v", got, got, again, err)
		}
	}
	if got, err := ParseClient(" " + someKey[:20] + "\n" + someKey[20:] + "\n"); err != nil || got.Key != someKey {
		t.Errorf("in two lines: %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		strings.Repeat("a", 56):            "is the address of an onion, and no key",
		strings.Repeat("a", 56) + ".onion": "is the address of an onion, and no key",
		"":                                 "is no client",
		"alice bob":                        "is no client",
		"Alice":                            "is no client",
		"rooms":                            "is no client",
		someKey[:51]:                       "is no x25519 public key",
		someKey[:51] + "B":                 "is no x25519 public key",
		strings.Repeat("A", 52):            "would lock nothing",
		"x:y":                              "is no x25519 public key",
		"Grandma:" + someKey:               "upper-case",
		"private key: " + someKey:          "not a valid name",
		"4DVXU7B3IG4K4FSW4P5PDH6ENLNATDPLTQZLD7MGMICRMX2JXAAA": "would lock nothing",
	} {
		if c, err := ParseClient(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %q", text, c, err, want)
		}
	}
}

func aliceFile() string { return alice().TOML() }

func TestPrivateOnions(t *testing.T) {
	p := newBox(t, map[string]string{
		"peers/alice.toml":   aliceFile(),
		"onions/photos.toml": "private = true\nclients = [\"alice\", \"grandma:" + someKey + "\"]\n[ports]\n80 = \"10.0.0.1:80\"\n",
		"onions/nobody.toml": "private = true\n[ports]\n80 = \"10.0.0.1:80\"\n",
		"onions/blog.toml":   "[ports]\n80 = \"10.0.0.1:80\"\n",
		"onions/home.toml":   "clients = [\"" + otherKey + "\"]\n[ports]\n",
	})
	c, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string][]string)
	for _, o := range c.Onions {
		keys[o.Name] = c.ClientKeys(o)
	}
	want := map[string][]string{"photos": {aliceClient, someKey}, "nobody": {}, "blog": nil, "home": {otherKey, aliceClient}}
	if !reflect.DeepEqual(keys, want) {
		t.Errorf("keys: %q", keys)
	}
	if home := (Onion{Name: HomeOnion}); c.ClientKeys(home) == nil || c.ClientKeys(Onion{Name: HomeOnion, Public: true}) != nil {
		t.Error("home is for friends until it is public")
	}
}

func TestClientMistakes(t *testing.T) {
	const ports = "\n[ports]\n80 = \"10.0.0.1:80\"\n"
	for _, tc := range []struct{ file, text, want string }{
		{"photos", "clients = ['alice']" + ports,
			"onions/photos.toml:1: clients: only a private onion asks who comes: this one is for everybody who knows its address"},
		{"photos", "private = 'yes'" + ports, "onions/photos.toml:1: private: must be true or false, not text"},
		{"photos", "private = true\nclients = 'alice'" + ports,
			"onions/photos.toml:2: clients: must be a list, [\"like\", \"this\"], not text"},
		{"photos", "private = true\nclients = [\n'alice',\n'alice']" + ports, "onions/photos.toml:4: clients[1]: alice is there twice"},
		{"photos", "private = true\nclients = ['bob']" + ports, `onions/photos.toml:2: clients[0]: no friend is called "bob"`},
		{"photos", "private = true\nclients = ['alice:" + someKey + "']" + ports,
			`onions/photos.toml:2: clients[0]: "alice" is the name of a friend`},
		{"photos", "private = true\nclients = ['x:" + someKey + "', 'x:" + otherKey + "']" + ports,
			`onions/photos.toml:2: clients[1]: two are called x`},
		{"photos", "private = true\nclients = ['" + someKey + "', '" + strings.ToLower(someKey) + "']" + ports,
			`onions/photos.toml:2: clients[1]: ` + someKey + ` is there twice`},
		{"home", "private = true" + ports, "onions/home.toml:1: private: home.toml is for your friends alone unless it says public = true"},
		{"photos", "balance = 'x.onion'" + ports, `onions/photos.toml:1: balance: "x.onion" is no onion address`},
		{"photos", "private = true\nbalance = '" + aliceKey + "'" + ports,
			"onions/photos.toml:2: balance: Onionbalance publishes for everybody who knows the address, and this onion is private"},
		{"photos", "certificates = 'tls'" + ports, `onions/photos.toml:1: certificates: "tls" is no full path of a directory`},
		{"photos", "certificates = '/srv/../etc'" + ports,
			`onions/photos.toml:1: certificates: "/srv/../etc" is no full path of a directory`},
		{"photos", "certificates = '/srv/tls'\nbalance = '" + aliceKey + "'" + ports,
			"onions/photos.toml:1: certificates: visitors ask for the address in balance, and its key is not on this box"},
		{"home", "public = true\nbalance = '" + aliceKey + "'" + ports,
			"onions/home.toml:2: balance: home is the address of this box alone"},
		{"home", "public = true\nclients = ['alice']" + ports,
			"onions/home.toml:2: clients: only a private onion asks who comes: this one is for everybody who knows its address"},
	} {
		p := newBox(t, map[string]string{"peers/alice.toml": aliceFile(), "onions/" + tc.file + ".toml": tc.text})
		_, err := Load(p)
		if got := strings.Join(mistakes(p, err), "\n"); !slices.Contains(strings.Split(got, "\n"), tc.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tc.text, got, tc.want)
		}
	}
}

func TestTargetTables(t *testing.T) {
	const text = `[ports]
80 = { to = "nas.lan:8080", proxy = "v2", host = "photos.lan:81" }
81 = { to = "unix:/run/x", proxy = "v1" }
82 = "printer:80"
`
	p := newBox(t, map[string]string{"onions/photos.toml": text,
		"tunic.toml": okMain + "[[dns.forward]]\ndomain = \"lan\"\nserver = \"192.168.1.1\"\n"})
	c, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	want := []Port{
		{80, Target{Host: "nas.lan", Port: 8080, Proxy: ProxyV2, HTTPHost: "photos.lan:81"}},
		{81, Target{Unix: "/run/x", Proxy: ProxyV1}},
		{82, Target{Host: "printer", Port: 80}},
	}
	if !reflect.DeepEqual(c.Onions[0].Ports, want) {
		t.Errorf("ports: %+v", c.Onions[0].Ports)
	}
	if got := c.Onions[0].TOML(); got != text {
		t.Errorf("written as\n%s", got)
	}
	for line, want := range map[string]string{
		`80 = { proxy = "v1" }`:                     "onions/photos.toml:2: ports.80.to: missing",
		`80 = { to = "10.0.0.1:80", proxy = "v3" }`: `onions/photos.toml:2: ports.80.proxy: "v3" is no version of the PROXY protocol`,
		`80 = { to = "10.0.0.1:80", host = "a b" }`: `onions/photos.toml:2: ports.80.host: "a b" is no host name`,
		`80 = { to = "10.0.0.1:80", host = "a:0" }`: `onions/photos.toml:2: ports.80.host: "0" is no port: 1 to 65535`,
		`80 = { to = "10.0.0.1:80", prosy = "v1" }`: `onions/photos.toml:2: ports.80.prosy: unknown key`,
		`70 = { to = "endpoint:gopher", proxy = "v1" }`: `onions/photos.toml:2: ports.70.to: an endpoint of the box knows who calls ` +
			`without being told`,
		`80 = 7`:                    `onions/photos.toml:2: ports.80: must be text in quotes, not a number`,
		`80 = "nas.example.com:80"`: `onions/photos.toml:2: ports.80: nobody in the house answers for "nas.example.com"`,
		`80 = "nas:9350"`: `onions/photos.toml:2: ports.80: would give every visitor your SOCKS port: ` +
			`they would browse in your name`,
		`80 = "nas:9050"`: `onions/photos.toml:2: ports.80: would give every visitor your SOCKS port: they would browse in your name`,
		`80 = "nas:9353"`: `onions/photos.toml:2: ports.80: port 9353 is one of tunic's own`,
	} {
		p := newBox(t, map[string]string{"onions/photos.toml": "[ports]\n" + line + "\n", "endpoints/gopher.toml": `root = "$ROOT/srv"`})
		_, err := Load(p)
		if got := strings.Join(mistakes(p, err), "\n"); !slices.Contains(strings.Split(got, "\n"), want) {
			t.Errorf("%s:\n%s\nwant\n%s", line, got, want)
		}
	}
}

func TestEditClients(t *testing.T) {
	for name, tc := range map[string]struct {
		edit         ClientEdit
		before, want string // without [ports]; "" for a refusal
	}{
		"make private": {ClientEdit{Private: true, Add: []Client{{Peer: "alice"}}}, "# mine\n",
			"# mine\nclients = [\"alice\"]\nprivate = true\n"},
		"was false": {ClientEdit{Private: true}, "private = false # for now\n", "private = true # for now\n"},
		"first": {ClientEdit{Add: []Client{{Peer: "alice"}}}, "private = true\nclients = [ ] # nobody\n",
			"private = true\nclients = [\"alice\" ] # nobody\n"},
		"second": {ClientEdit{Add: []Client{{Peer: "alice"}}}, "private = true\nclients = [\"bob\"] # [x]\n",
			"private = true\nclients = [\"bob\", \"alice\"] # [x]\n"},
		"again": {ClientEdit{Add: []Client{{Peer: "alice"}}}, "private = true\nclients = ['alice']\n",
			"private = true\nclients = ['alice']\n"},
		"own lines": {ClientEdit{Add: []Client{{Label: "pa", Key: someKey}}}, "private = true\nclients = [\n  # friends\n" +
			"  'bob',  # next door\n]\n", "private = true\nclients = [\n  # friends\n  'bob',\n  \"pa:" + someKey +
			"\",  # next door\n]\n"},
		"public":     {ClientEdit{Add: []Client{{Peer: "alice"}}}, "", ""},
		"name taken": {ClientEdit{Add: []Client{{Label: "bob", Key: someKey}}}, "private = true\nclients = ['bob']\n", ""},

		"remove only": {ClientEdit{Remove: []string{"bob"}}, "private = true\nclients = ['bob']\n", "private = true\nclients = []\n"},
		"remove first": {ClientEdit{Remove: []string{"bob"}}, "private = true\nclients = ['bob', 'eve']\n",
			"private = true\nclients = ['eve']\n"},
		"remove last": {ClientEdit{Remove: []string{"eve"}}, "private = true\nclients = ['bob', 'eve',]\n",
			"private = true\nclients = ['bob',]\n"},
		"remove a line": {ClientEdit{Remove: []string{"bob"}}, "private = true\nclients = [\n  # friends\n  'bob',  # next door\n" +
			"  \"eve\" # far, [away]\n]\n", "private = true\nclients = [\n  # friends\n  \"eve\" # far, [away]\n]\n"},
		"last line": {ClientEdit{Remove: []string{"eve"}}, "private = true\nclients = [\n  'bob',  # next door\n  \"eve\" # far\n]\n",
			"private = true\nclients = [\n  'bob',  # next door\n]\n"},
		"by key": {ClientEdit{Remove: []string{strings.ToLower(someKey)}}, "private = true\nclients = ['bob', 'pa:" + someKey + "']\n",
			"private = true\nclients = ['bob']\n"},
		"both": {ClientEdit{Remove: []string{"bob"}, Add: []Client{{Peer: "alice"}}}, "private = true\nclients = ['bob']\n",
			"private = true\nclients = [\"alice\"]\n"},
		"nobody": {ClientEdit{Remove: []string{"carol"}}, "private = true\nclients = ['bob']\n", ""},
		"hidden": {ClientEdit{Remove: []string{"bob"}}, "private = true\nclients = ['''bob''']\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			const ports = "[ports]\n80 = '10.0.0.1:80' # the old box\n"
			p := newBox(t, map[string]string{"onions/photos.toml": tc.before + ports})
			path := filepath.Join(p.OnionDir(), "photos.toml")
			tc.edit.Onion = "photos"
			err := EditClients(p, tc.edit)
			text, readErr := os.ReadFile(path)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if tc.want == "" && tc.before != tc.want || name == "public" {
				if err == nil || string(text) != tc.before+ports {
					t.Errorf("EditClients = %v, and the file is\n%s", err, text)
				}
				return
			}
			if err != nil || string(text) != tc.want+ports {
				t.Fatalf("EditClients = %v, and the file is\n%s\nwant\n%s", err, text, tc.want+ports)
			}
		})
	}
	p := newBox(t, nil)
	if err := EditClients(p, ClientEdit{Onion: "photos"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no onion: %v", err)
	}
}

func TestForgetClient(t *testing.T) {
	const ports = "[ports]\n80 = '10.0.0.1:80'\n"
	p := newBox(t, map[string]string{
		"peers/alice.toml":   aliceFile(),
		"onions/a.toml":      "private = true\nclients = ['alice', '" + someKey + "']\n" + ports,
		"onions/b.toml":      "private = true\nclients = ['alice:" + otherKey + "']\n" + ports,
		"onions/public.toml": ports,
	})
	names, err := ForgetClient(p, "alice")
	if err != nil || !slices.Equal(names, []string{"a"}) {
		t.Errorf("ForgetClient = %q, %v", names, err)
	}
	if err := RemovePeer(p, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
