package config

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const friendFile = "onion = '25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid'\n" +
	"client = 'AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA'\n"

// Every key of a service, and what it is without them.
func TestServices(t *testing.T) {
	p := newBox(t, map[string]string{"peers/bob.toml": friendFile,
		"services/uptime.toml": "command = ['/usr/bin/uptime', '-p']\nfriends = ['bob']\nport = 79\nat-once = 2\ntime = '30s'\n" +
			"memory = 64\nprocesses = 8\n",
		"services/share.toml": "target = { to = '192.168.1.20:564', proxy = 'v2' }\nfriends = []\n"})
	c, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	target, _ := ParseServiceTarget("192.168.1.20:564")
	target.Proxy = ProxyV2
	want := []Service{{Name: "share", Target: target, Limits: defaultLimits},
		{Name: "uptime", Command: []string{"/usr/bin/uptime", "-p"}, Friends: []string{"bob"}, Port: 79,
			Limits: ServiceLimits{AtOnce: 2, Time: 30 * time.Second, Memory: 64 << 20, Processes: 8}}}
	if !reflect.DeepEqual(c.Services, want) {
		t.Errorf("%+v", c.Services)
	}
	home, _ := c.Onion(HomeOnion)
	if !slices.ContainsFunc(home.Ports, func(p Port) bool { return p.Virtual == MuxPort && p.Target.Endpoint == MuxEndpoint }) {
		t.Error("friends cannot reach services at home")
	}
	for _, s := range want { // what is written is what is read
		if again, err := parseService(s.Name, "", []byte(s.TOML())); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%s: %+v, %v", s.TOML(), again, err)
		}
	}
}

// Without a service, an inbox for files and tables, nothing waits for friends at port 1.
func TestNoServices(t *testing.T) {
	const silent = okMain + "[gateway]\ntalk = false\n[inbox]\n"
	for text, want := range map[string]bool{okMain: true, silent + "quota = 0\n": false, silent + "quota = 10\n": true,
		okMain + "[inbox]\nquota = 0\n": true} {
		c, err := Load(newBox(t, map[string]string{"tunic.toml": text}))
		if err != nil {
			t.Fatal(err)
		}
		home, _ := c.Onion(HomeOnion)
		if slices.ContainsFunc(home.Ports, func(p Port) bool { return p.Virtual == MuxPort }) != want {
			t.Errorf("%q: home has a port for services: %t", text, !want)
		}
	}
}

func TestInbox(t *testing.T) {
	for text, want := range map[string]int64{"": 2_000_000_000, "quota = 0": 0, "quota = 3": 3_000_000} {
		c, err := Load(newBox(t, map[string]string{"tunic.toml": okMain + "[inbox]\n" + text + "\n"}))
		if err != nil || c.Inbox.Quota != want {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
	for text, want := range map[string]string{
		"quota = -1":      "tunic.toml:4: inbox.quota: -1 is not between",
		"quota = 1000001": "inbox.quota: 1000001 is not between",
		"quota = '1 GB'":  "inbox.quota",
		"files = 3":       "inbox.files",
	} {
		_, err := Load(newBox(t, map[string]string{"tunic.toml": okMain + "[inbox]\n" + text + "\n"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, name := range []string{"drop", "help"} {
		_, err := Load(newBox(t, map[string]string{"services/" + name + ".toml": "command = ['/bin/true']\nfriends = []\n"}))
		if err == nil || !strings.Contains(err.Error(), "a service that every box has") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServiceMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"friends = ['bob']": "command: missing",
		"command = ['/bin/x']\ntarget = '192.168.1.2:1'\nfriends = ['bob']":         "command: missing",
		"command = []\nfriends = ['bob']":                                           "no program",
		"command = ['uptime']\nfriends = ['bob']":                                   "no program",
		"command = ['/bin/x', \"a\\u0000b\"]\nfriends = ['bob']":                    "zero byte",
		"command = ['/bin/x']":                                                      "friends: missing",
		"command = ['/bin/x']\nfriends = ['carol']":                                 `no friend is called "carol"`,
		"command = ['/bin/x']\nfriends = ['bob', 'bob']":                            "twice",
		"command = ['/bin/x']\nfriends = ['bob']\nport = 1":                         "another meaning",
		"command = ['/bin/x']\nfriends = ['bob']\nport = 7474":                      "another meaning",
		"command = ['/bin/x']\nfriends = ['bob']\nport = 80":                        "another meaning",
		"command = ['/bin/x']\nfriends = ['bob']\nport = 70":                        "is another one's at home",
		"command = ['/bin/x']\nfriends = ['bob']\nport = 7":                         "that of the service echo",
		"command = ['/bin/x']\nfriends = ['bob']\nport = 70000":                     "no port",
		"command = ['/bin/x']\nfriends = ['bob']\ntime = '0s'":                      "no length of time",
		"command = ['/bin/x']\nfriends = ['bob']\ntime = '169h'":                    "no length of time",
		"command = ['/bin/x']\nfriends = ['bob']\nmemory = 0":                       "must be 1 to",
		"command = ['/bin/x']\nfriends = ['bob']\nprocesses = 5000":                 "must be 1 to",
		"command = ['/bin/x']\nfriends = ['bob']\nat-once = 65":                     "must be 1 to",
		"target = '192.168.1.2:1'\nfriends = ['bob']\nmemory = 5":                   "unknown key",
		"target = 'endpoint:gopher'\nfriends = ['bob']":                             "own endpoint",
		"target = '127.0.0.1:9250'\nfriends = ['bob']":                              "SOCKS port",
		"target = 'unix:$ROOT/run/tunic/api.sock'\nfriends = ['bob']":               "tunic's own",
		"target = { to = '192.168.1.2:1', proxy = 'v1' }\nfriends = ['bob']":        "no place for a friend",
		"target = { to = '192.168.1.2:1', host = 'photos.lan' }\nfriends = ['bob']": "has no host",
	} {
		p := newBox(t, map[string]string{"peers/bob.toml": friendFile, "services/x.toml": text,
			"services/echo.toml":    "command = ['/bin/cat']\nfriends = ['bob']\nport = 7\n",
			"endpoints/gopher.toml": "root = '$ROOT/srv'\n"})
		if _, err := Load(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n    %v", text, err)
		}
	}
}

// A friend who is forgotten or renamed is so in services too, and nothing else changes.
func TestFriendsOfServices(t *testing.T) {
	const text = "# for the two\ncommand = ['/usr/bin/uptime']\nfriends = ['ann', 'bob'] # and nobody else\n"
	p := newBox(t, map[string]string{"services/uptime.toml": text})
	for _, step := range []struct{ from, to, want string }{
		{"carol", "", text},
		{"ann", "anna", strings.Replace(text, "'ann', 'bob'", `'bob', "anna"`, 1)},
		{"bob", "", strings.Replace(text, "'ann', 'bob'", `"anna"`, 1)},
		{"anna", "", strings.Replace(text, "'ann', 'bob'", ``, 1)},
	} {
		if err := editServices(p, step.from, step.to); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(p.ServiceFile("uptime")); string(got) != step.want {
			t.Errorf("%s to %q:\n%s", step.from, step.to, got)
		}
	}
}

func TestWriteService(t *testing.T) {
	p := newBox(t, map[string]string{"peers/bob.toml": friendFile})
	s := NewService("uptime")
	s.Command, s.Friends = []string{"/usr/bin/uptime", `a "b" \ c`}, []string{"bob"}
	for range 2 { // the same again is no mistake
		if err := WriteService(p, s); err != nil {
			t.Fatal(err)
		}
	}
	other := s
	other.Port = 79
	if err := WriteService(p, other); !errors.Is(err, ErrExists) {
		t.Errorf("another one: %v", err)
	}
	for _, bad := range []Service{{Name: "../x"},
		{Name: "x", Command: []string{"/bin/x", "a\nb"}, Friends: []string{"bob"}, Limits: defaultLimits}} {
		if err := WriteService(p, bad); err == nil {
			t.Errorf("%+v was written", bad)
		}
	}
	if err := RemoveService(p, "uptime"); err != nil {
		t.Error(err)
	}
	if err := RemoveService(p, "uptime"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
}
