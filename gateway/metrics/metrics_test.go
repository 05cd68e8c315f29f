package metrics

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// everything is a status in which each part has something to say, and names that
// would break a careless text.
func everything() api.Status {
	now := time.Unix(1800000000, 0)
	return api.Status{Version: "1.2\"\n\\", State: api.Open, Ready: true, Since: now,
		Tor: api.Tor{Version: "0.4.9.15", Running: true, Bootstrap: 100,
			Restarts: 2}, Wall: api.Wall{Stands: true}, Leaks: []string{"bank.example, for laptop (bypass)"},
		Household: api.Household{Devices: []api.Device{{Name: "tv", MAC: "02:00:00:00:00:01", Policy: "direct", Seen: true,
			Addresses: []string{"192.168.1.7"}},
			{Name: "away", Policy: "tor"}, {Name: "phone", Policy: "tor", Seen: true}},
			Served: api.Served{Questions: 12, Cached: 3, Connections: 4, Up: 1 << 40, Services: []api.Service{{Name: "imap", Accepted: 9,
				Active: 1}, {Name: "irc"}}}},
		Onions: []api.Onion{{Name: "photos", Address: "secret.onion", Published: true, Streams: 7, Reach: api.Reach{Visitors: api.Yes},
			Ports: []api.Port{{Port: 80, Target: "192.168.1.20:8080", Reachable: true}, {Port: 22, Error: "no answer"}, {Port: 443}}},
			{Name: "home", Reach: api.Reach{Visitors: api.Unknown}}},
		Servers:  []api.Server{{Name: "prosody", Ready: true, Restarts: 1}},
		Findings: []health.Finding{health.New(health.TargetUnreachable, "", "alice"), health.New(health.TargetUnreachable, "", "bob")}}
}

var (
	sample  = regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? (\S+)$`)
	comment = regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) .+$`)
)

// Each line is one of the format's, families are in one piece, no sample comes twice.
func TestTextIsTheFormat(t *testing.T) {
	var families, seen []string
	for line := range strings.Lines(string(Text(everything()))) {
		line = strings.TrimSuffix(line, "\n")
		if m := comment.FindStringSubmatch(line); m != nil {
			if m[1] == "HELP" {
				if slices.Contains(families, m[2]) {
					t.Errorf("%s comes twice", m[2])
				}
				families = append(families, m[2])
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || m[1] != families[len(families)-1] || slices.Contains(seen, m[1]+m[2]) {
			t.Errorf("not a sample of its family: %q", line)
			continue
		}
		seen = append(seen, m[1]+m[2])
	}
	if len(families) < 30 {
		t.Errorf("only %d families", len(families))
	}
}

func TestTextSays(t *testing.T) {
	text := string(Text(everything()))
	for _, want := range []string{"tunic_protected 1\n", `tunic_info{version="1.2\"\n\\"} 1`, `tunic_devices{policy="direct"} 1`,
		`tunic_devices{policy="tor"} 1`,
		`tunic_socks_bytes_total{direction="up"} 1.099511627776e+12`, `tunic_target_up{onion="photos",port="22"} 0`,
		`tunic_findings{code="target-unreachable",severity="warning"} 2`, `tunic_onion_reachable{onion="photos"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, secret := range []string{"02:00", "192.168", "tv\"", "alice", "bob", "bank.example", "secret.onion", `port="443"`,
		`reachable{onion="home"`} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in\n%s", secret, text)
		}
	}
}

const grafana = "../../deploy/grafana/"

// What the dashboard and the alerts ask for is there.
func TestDashboardAndAlerts(t *testing.T) {
	text := string(Text(everything()))
	for _, name := range []string{"dashboard.json", "alerts.yml"} {
		file, err := os.ReadFile(grafana + name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(file) {
			t.Errorf("%s is no JSON", name)
		}
		asked := regexp.MustCompile(`\btunic_[a-z_]+`).FindAllString(string(file), -1)
		if len(asked) < 5 {
			t.Errorf("%s asks for %q only", name, asked)
		}
		for _, metric := range asked {
			if !strings.Contains(text, "# TYPE "+metric+" ") {
				t.Errorf("%s asks for %s, which there is not", name, metric)
			}
		}
	}
}

// Prometheus' own tool finds nothing to say, where it is installed (make check-metrics).
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("there is no promtool here: make check-metrics installs it")
	}
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(string(Text(everything())))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("metrics: %v\n%s", err, out)
	}
	if out, err := exec.Command("promtool", "check", "rules", grafana+"alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("rules: %v\n%s", err, out)
	}
}

func FuzzLabels(f *testing.F) {
	f.Add("photos")
	f.Add("a\"}\n# HELP x y\n\\")
	f.Add("\xff\r")
	f.Fuzz(func(t *testing.T, name string) {
		s := bufio.NewScanner(strings.NewReader(string(Text(api.Status{Onions: []api.Onion{{Name: name}}}))))
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if line := s.Text(); strings.Contains(line, "onion=") && strings.Count(line, "tunic_") != 1+strings.Count(name, "tunic_") {
				t.Errorf("%q writes %q", name, line)
			}
		}
	})
}
