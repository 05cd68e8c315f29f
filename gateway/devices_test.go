package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/tor"
	"tunic/rules"
)

const (
	laptopFile  = "# the laptop\nmac = \"02:00:00:00:00:10\"\n"
	laptopMAC   = "02:00:00:00:00:10"
	phoneMAC    = "02:00:00:00:00:99"
	strangerMAC = "02:00:00:00:00:55"
)

func (h *house) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(h.Paths.Etc, name))
	return string(text)
}

// policy is what the rules in force give a device.
func (h *house) policy(mac string) rules.Policy { return h.snapshot().desired.Rules.PolicyOf(mac) }

func TestDevicesAreNamed(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile})
	list, err := h.devices.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, strings.Join([]string{d.Name, d.Named, d.MAC, d.Policy, strings.Join(d.Addresses, "+")}, " "))
	}
	want := []string{
		"laptop file 02:00:00:00:00:10 tor 192.168.77.10",
		"phone lease 02:00:00:00:00:99 tor 192.168.77.99",
		"  02:00:00:00:00:97 tor 192.168.77.97", // two devices call themselves twin
		"  02:00:00:00:00:98 tor 192.168.77.98",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
	if !list[0].Seen || list[3].Seen {
		t.Error("only what the kernel knows was seen")
	}
}

func TestDeviceForGood(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile})
	h.running(t)
	set := func(r api.DeviceRequest) (api.Device, error) { return h.devices.SetDevice(t.Context(), r) }

	d, err := set(api.DeviceRequest{Device: "laptop", Policy: "direct"})
	if err != nil || d.Policy != "direct" || h.policy(laptopMAC) != rules.Direct {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := h.read("devices/laptop.toml"); got != laptopFile+"policy = \"direct\"\n" {
		t.Errorf("the file says %q", got)
	}
	h.took()
	if _, err := set(api.DeviceRequest{Device: "laptop", Policy: "block"}); err != nil {
		t.Fatal(err)
	}
	if j := h.took(); !strings.Contains(j, "rules open, cut tor 10 250, cut onion 10 250, cut direct 10 250") {
		t.Errorf("a stricter policy: %s", j)
	}
	d, err = set(api.DeviceRequest{Device: "phone", Policy: "onion"})
	if err != nil || d.MAC != phoneMAC || d.Named != "file" || h.policy(phoneMAC) != rules.Onion {
		t.Errorf("a device that only calls itself so: %+v, %v", d, err)
	}
	if d, err := set(api.DeviceRequest{Device: "tv", MAC: "02-00-00-00-00-AB"}); err != nil || d.MAC != "02:00:00:00:00:ab" ||
		d.Policy != "tor" {
		t.Errorf("with an address: %+v, %v", d, err)
	}
}

func TestDeviceMistakesChangeNothing(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile})
	h.running(t)
	h.took()
	for name, r := range map[string]api.DeviceRequest{
		"nothing":                 {Device: "laptop"},
		"a policy of a slip":      {Device: "laptop", Policy: "dirct"},
		"no address":              {Device: "laptop", MAC: "02:00"},
		"nobody":                  {Device: "radio", Policy: "direct"},
		"two of a name":           {Device: "twin", Policy: "direct"},
		"a taken address":         {Device: "radio", MAC: laptopMAC, Policy: "direct"},
		"a name that is a path":   {Device: "../tunic", MAC: strangerMAC},
		"for a while, no policy":  {Device: "laptop", For: time.Hour},
		"for a while, an address": {Device: "laptop", MAC: strangerMAC, Policy: "direct", For: time.Hour},
		"for too long":            {Device: "laptop", Policy: "direct", For: 1000 * time.Hour},
		"for less than nothing":   {Device: "laptop", Policy: "direct", For: -time.Hour},
		"an end of nothing":       {Device: "laptop", End: true},
		"an end, and a policy":    {Device: "laptop", Policy: "direct", End: true},
		"nobody for a while":      {Device: "radio", Policy: "direct", For: time.Hour},
	} {
		_, err := h.devices.SetDevice(t.Context(), r)
		f, ok := errors.AsType[*api.Failure](err)
		if !ok || !f.Usage || f.Problem.Error == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := h.read("devices/laptop.toml"); got != laptopFile {
		t.Errorf("the file says %q", got)
	}
	if files, _ := os.ReadDir(h.Paths.DeviceDir()); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
	if j := h.took(); strings.Contains(j, "rules") {
		t.Errorf("did: %s", j)
	}
}

func TestDeviceForAWhile(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile})
	h.running(t)
	set := func(howLong time.Duration) (api.Device, error) {
		return h.devices.SetDevice(t.Context(), api.DeviceRequest{Device: "laptop", Policy: "direct", For: howLong})
	}
	d, err := set(time.Hour)
	if err != nil || d.Policy != "direct" || d.Then != "tor" || d.Until == nil || h.policy(laptopMAC) != rules.Direct {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := h.read("devices/laptop.toml"); got != laptopFile {
		t.Errorf("the file says %q", got)
	}
	if s := h.Gateway.Status(t.Context()); !slices.ContainsFunc(s.Leaks,
		func(l string) bool { return strings.Contains(l, "the device laptop until") }) {
		t.Errorf("status says nothing of it: %v", s.Leaks)
	}
	h.took()
	if _, err := set(500 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); h.policy(laptopMAC) != rules.Tor; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not end by itself")
		}
	}
	if j := h.took(); !strings.Contains(j, "cut direct") {
		t.Errorf("its connections stay: %s", j)
	}
}

// A device without a name has its own policy back when its owner says so.
func TestDeviceForAWhileEndsNow(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	r := api.DeviceRequest{Device: strangerMAC, Policy: "direct", For: time.Hour}
	if _, err := h.devices.SetDevice(t.Context(), r); err != nil || h.policy(strangerMAC) != rules.Direct {
		t.Fatal(err, h.policy(strangerMAC))
	}
	h.took()
	d, err := h.devices.SetDevice(t.Context(), api.DeviceRequest{Device: strangerMAC, End: true})
	did := h.took()
	if err != nil || d.Policy != "tor" || d.Until != nil || h.policy(strangerMAC) != rules.Tor || !strings.Contains(did, "cut direct") {
		t.Errorf("%+v, %v, did: %s", d, err, did)
	}
}

func TestDeviceForAWhileAfterRestart(t *testing.T) {
	h := newHouse(t, nil)
	stop := h.running(t)
	if _, err := h.devices.SetDevice(t.Context(), api.DeviceRequest{Device: strangerMAC, Policy: "block", For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	stop()
	next := &house{fakes: &fakes{t: t, fail: map[string]error{}}}
	next.status, next.facts = h.status, h.facts
	o := h.Options
	o.Notify = func(string) {}
	o.Tor, o.Kernel, o.Server, o.Listeners, o.System = fakeTor{next.fakes}, fakeKernel{next.fakes}, fakeServer{next.fakes},
		fakeListeners{next.fakes}, fakeSystem{next.fakes}
	next.Gateway = New(o, h.current.config)
	next.furnish()
	next.running(t)
	if got := next.policy(strangerMAC); got != rules.Block {
		t.Errorf("after a restart it is %v", got)
	}
	if plan, err := next.Plan(t.Context()); err != nil || len(plan.Changes) != 0 {
		t.Errorf("a reload would change %v, %v", plan.Changes, err)
	}
	if _, err := next.devices.SetDevice(t.Context(),
		api.DeviceRequest{Device: "stranger", MAC: strangerMAC, Policy: "direct"}); err != nil || next.policy(strangerMAC) != rules.Direct {
		t.Errorf("a policy for good does not end it: %v, %v", next.policy(strangerMAC), err)
	}
}

func TestPortal(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile,
		"devices/bad.toml": "mac = \"02:00:00:00:00:66\"\npolicy = \"block\"\n"})
	h.set(func() { h.status = tor.Status{Running: true, Bootstrap: 10} })
	h.running(t)
	p, err := h.devices.Portal(t.Context(), api.PortalRequest{Device: "laptop"})
	if err != nil || p.MAC != laptopMAC || !p.UntilTor || !slices.Equal(p.Resolvers, []string{"198.18.0.1"}) {
		t.Fatalf("%+v, %v", p, err)
	}
	if left := time.Until(p.Until); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("it stays open for %v", left)
	}
	text := h.loaded.String()
	if mode(h.loaded) != "closed" && !strings.Contains(text, "--to-destination 198.18.0.1:53") || !strings.Contains(text, laptopMAC) {
		t.Errorf("the rules do not know it:\n%s", text)
	}
	s := h.Gateway.Status(t.Context())
	if s.State != api.Closed || !slices.Contains(h.codes(t), "portal-open") || len(s.Leaks) == 0 {
		t.Errorf("status: %s, %v, %v", s.State, h.codes(t), s.Leaks)
	}
	for name, r := range map[string]api.PortalRequest{
		"a blocked device": {Device: "bad"},
		"nobody":           {Device: "radio"},
		"too long":         {Device: "laptop", For: 2 * time.Hour},
		"no network":       {Device: "laptop", To: []string{"x"}},
		"no server":        {Device: "laptop", Resolver: "127.0.0.1"},
	} {
		if _, err := h.devices.Portal(t.Context(), r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	h.took()
	if _, err := h.devices.Portal(t.Context(), api.PortalRequest{Device: laptopMAC, Close: true}); err != nil {
		t.Fatal(err)
	}
	if j := h.took(); !strings.Contains(j, "cut portal") || strings.Contains(h.loaded.String(), "0x5000000") {
		t.Errorf("after closing it: %s", j)
	}
}

// It has done its work when Tor is connected; lockdown ends it too.
func TestPortalEndsEarly(t *testing.T) {
	for name, end := range map[string]func(h *house, t *testing.T){
		"Tor is connected": func(h *house, t *testing.T) {
			h.set(func() { h.status = tor.Status{Running: true, Bootstrap: 100, Circuits: true, Live: true} })
			h.Wake()
		},
		"lockdown": func(h *house, t *testing.T) {
			if err := h.Lockdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, nil)
			h.set(func() { h.status = tor.Status{Running: true, Bootstrap: 10} })
			h.running(t)
			if _, err := h.devices.Portal(t.Context(), api.PortalRequest{Device: "phone", Resolver: "10.0.0.1"}); err != nil {
				t.Fatal(err)
			}
			end(h, t)
			open := func() bool {
				kept, _ := os.ReadFile(filepath.Join(h.Paths.State, "temporary.json"))
				return strings.Contains(string(kept), "resolvers") || len(h.snapshot().desired.Rules.Guests) != 0
			}
			for limit := time.Now().Add(30 * time.Second); open(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(limit) {
					t.Fatal("it stays open, or the rules still know it")
				}
			}
		})
	}
}

func TestNewNym(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	h.took()
	if _, err := h.devices.NewNym(t.Context(), api.NewNymRequest{}); err != nil {
		t.Fatal(err)
	}
	if j := h.took(); !strings.HasPrefix(j, "newnym, renew") {
		t.Errorf("for all: %s", j)
	}
	n, err := h.devices.NewNym(t.Context(), api.NewNymRequest{Device: "phone"})
	if err != nil || n.Circuits != 3 || !slices.Equal(n.Addresses, []string{"192.168.77.99"}) {
		t.Errorf("%+v, %v", n, err)
	}
	if j := h.took(); !strings.HasPrefix(j, "renew [192.168.77.99], forget [192.168.77.99]") {
		t.Errorf("for a device: %s", j)
	}
	for _, who := range []string{"radio", strangerMAC} {
		if _, err := h.devices.NewNym(t.Context(), api.NewNymRequest{Device: who}); err == nil {
			t.Errorf("%s: no error", who)
		}
	}
}

func TestWhy(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile + "policy = \"direct\"\n"})
	h.running(t)
	cases := []struct {
		r      api.WhyRequest
		end    string
		result string
	}{
		{api.WhyRequest{Device: "phone", To: "198.51.100.1", Port: 443, Protocol: "tcp"}, "redirected", "goes through Tor"},
		{api.WhyRequest{Device: "192.168.77.99", To: "198.51.100.1", Port: 443, Protocol: "udp"}, "refused", "is refused at once"},
		{api.WhyRequest{Device: "laptop", To: "198.51.100.1", Port: 443, Protocol: "udp"}, "passed", "outside Tor (direct)"},
		{api.WhyRequest{Device: "phone", To: "192.168.77.1", Port: 53, Protocol: "udp"}, "redirected", "the box answers"},
		{api.WhyRequest{Device: "phone", To: "192.168.77.1", Port: 22, Protocol: "tcp"}, "passed", "reaches the box itself"},
		{api.WhyRequest{Device: "phone", To: "192.168.77.20", Port: 22, Protocol: "tcp"}, "passed", "stays in the household"},
		{api.WhyRequest{Device: strangerMAC, To: "2001:db8::1", Port: 443, Protocol: "tcp"}, "redirected", "goes through Tor"},
		{api.WhyRequest{Own: true, To: "198.51.100.1", Port: 443, Protocol: "tcp"}, "redirected", "goes through Tor"},
		{api.WhyRequest{Own: true, UID: 107, To: "198.51.100.1", Port: 9001, Protocol: "tcp"}, "passed", "tor's own"},
		{api.WhyRequest{Own: true, To: "127.0.0.1", Port: 9250, Protocol: "tcp"}, "passed", "reaches the box itself"},
	}
	for _, c := range cases {
		w, err := h.devices.Why(t.Context(), c.r)
		if err != nil || w.End != c.end || !strings.Contains(w.Result, c.result) {
			t.Errorf("%+v: %s, %q, %v", c.r, w.End, w.Result, err)
		}
	}
	w, err := h.devices.Why(t.Context(), cases[0].r)
	if err != nil || w.Policy != string(config.PolicyTor) || len(w.Rules) == 0 || w.Rules[0].Packets == nil || *w.Rules[0].Packets != 42 {
		t.Errorf("%+v, %v", w, err)
	}
	for _, r := range []api.WhyRequest{{Device: "radio", To: "198.51.100.1"}, {Device: "phone", To: "example.org"}} {
		if _, err := h.devices.Why(t.Context(), r); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}

func TestProbe(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	if err := h.devices.Probe(t.Context(), api.ProbeRequest{Interface: "wan", For: time.Minute}); err == nil {
		t.Error("any interface may be made the household's")
	}
	if err := h.devices.Probe(t.Context(), api.ProbeRequest{Interface: "tunic-probe0", For: time.Hour}); err == nil {
		t.Error("a probe may last for an hour")
	}
	if err := h.devices.Probe(t.Context(), api.ProbeRequest{Interface: "tunic-probe0", For: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(h.loaded.String(), "-i tunic-probe0") {
		t.Error("the rules do not know it")
	}
	if err := h.devices.Probe(t.Context(), api.ProbeRequest{Interface: "tunic-probe0"}); err != nil ||
		strings.Contains(h.loaded.String(), "tunic-probe0") {
		t.Errorf("it stays: %v", err)
	}
}

// Whoever calls a device by a name that it does not have is told how it gets it.
func TestUnknownNamesAreExplained(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	for verb, do := range map[string]func() error{
		"portal": func() error {
			_, err := h.devices.Portal(t.Context(), api.PortalRequest{Device: "laptop"})
			return err
		},
		"newnym": func() error {
			_, err := h.devices.NewNym(t.Context(), api.NewNymRequest{Device: "laptop"})
			return err
		},
		"device": func() error {
			_, err := h.devices.SetDevice(t.Context(), api.DeviceRequest{Device: "laptop", Policy: "direct"})
			return err
		},
		"device for a while": func() error {
			_, err := h.devices.SetDevice(t.Context(), api.DeviceRequest{Device: "laptop", Policy: "direct", For: time.Hour})
			return err
		},
		"why": func() error {
			_, err := h.devices.Why(t.Context(), api.WhyRequest{Device: "laptop", To: "192.0.2.1", Protocol: "tcp"})
			return err
		},
	} {
		if f, ok := errors.AsType[*api.Failure](do()); !ok || !strings.Contains(f.Hint, "tunic device laptop --mac ADDRESS") {
			t.Errorf("%s: %+v", verb, f)
		}
	}
}
