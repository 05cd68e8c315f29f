package api

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"tunic/gateway/health"
)

// Report is how a box is, to be shown to strangers who help. Nothing in it says whose it
// is: it holds versions, words of tunic's own, and counts. What else there is, names,
// addresses, keys, destinations, files and the words of findings, it has no field for.
type Report struct {
	Tunic    string         `json:"tunic"`
	Tor      string         `json:"tor"`
	System   string         `json:"system"` // "linux/arm64"
	Made     string         `json:"made"`   // the day
	State    string         `json:"state"`
	Ready    bool           `json:"ready"`
	Hours    int            `json:"hours"` // since the start of the daemon
	TorState ReportTor      `json:"tor_state"`
	Clock    ReportClock    `json:"clock"`
	Wall     bool           `json:"wall"`
	Default  string         `json:"default_policy"`
	Counts   map[string]int `json:"counts"`
	Servers  []ReportServer `json:"servers"`
	Findings map[string]int `json:"findings"` // by code
	Served   Served         `json:"served"`
}

// Reported is what the page shows: a report in lines, and the last lines of the daemon's
// log, which are for the house's admins and no part of it.
type Reported struct {
	Text  string   `json:"text"`
	Lines []string `json:"lines"`
}

// ReportTor is how tor is.
type ReportTor struct {
	Running   bool `json:"running"`
	Bootstrap int  `json:"bootstrap"`
	Restarts  int  `json:"restarts"`
	Skew      int  `json:"clock_skew_seconds"`
}

// ReportClock is how the clock is.
type ReportClock struct {
	Trusted bool `json:"trusted"`
	Kept    bool `json:"kept"`
	Relays  int  `json:"relays"`
}

// ReportServer is how a server is that others have written.
type ReportServer struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Ready    bool   `json:"ready"`
	Restarts int    `json:"restarts"`
}

// other stands for what a report does not repeat.
const other = "other"

// plainVersion is what a version looks like.
var plainVersion = regexp.MustCompile(`^v?[0-9]{1,4}(\.[0-9]{1,6}){0,4}([-+~][0-9A-Za-z.]{1,24}){0,3}$`)

// commit is what a build says that has no number.
var commit = regexp.MustCompile(`^([0-9a-f]{7,12}(-dirty)?|development)$`)

// version is a version, or other. Four numbers may be an address, but for those of tor,
// which begin with 0: the last is left out.
func version(text string) string {
	if a, err := netip.ParseAddr(text); err == nil && a.Is4() && !strings.HasPrefix(text, "0.") {
		text = text[:strings.LastIndexByte(text, '.')]
	}
	if text == "" || plainVersion.MatchString(text) || commit.MatchString(text) {
		return text
	}
	return other
}

// among is a word if it is one of those, which are tunic's own.
func among(word string, words ...string) string {
	if slices.Contains(words, word) {
		return word
	}
	return other
}

// NewReport makes one of what the daemon knows.
func NewReport(s Status, peers []Peer, users []User) Report {
	r := Report{Tunic: version(s.Version), Tor: version(s.Tor.Version), System: runtime.GOOS + "/" + runtime.GOARCH,
		Made: time.Now().UTC().Format(time.DateOnly), State: among(string(s.State), string(Open), string(Closed)), Ready: s.Ready,
		TorState: ReportTor{s.Tor.Running, s.Tor.Bootstrap, s.Tor.Restarts, s.Tor.ClockSkew},
		Clock:    ReportClock{s.Clock.Trusted, s.Clock.Kept, s.Clock.Relays}, Wall: s.Wall.Stands,
		Default: policyOf(s.Household.DefaultPolicy), Counts: make(map[string]int), Findings: make(map[string]int),
		Served: s.Household.Served}
	if !s.Since.IsZero() {
		r.Hours = int(time.Since(s.Since).Hours())
	}
	r.Served.Services = nil
	for _, one := range s.Servers {
		r.Servers = append(r.Servers, ReportServer{among(one.Name, "dovecot", "prosody", "ngircd"), version(one.Version), one.Ready,
			one.Restarts})
	}
	for _, f := range s.Findings {
		code := other
		if _, known := health.Explain(f.Code); known {
			code = string(f.Code)
		}
		r.Findings[code]++
	}
	r.count(s, peers, users)
	return r
}

// NoDaemon is the state of a report that was made without one.
const NoDaemon = "no daemon runs"

// ReportAlone makes a report where no daemon runs, which knows no more than what is installed.
func ReportAlone(tunic string) Report {
	return Report{Tunic: version(tunic), System: runtime.GOOS + "/" + runtime.GOARCH, Made: time.Now().UTC().Format(time.DateOnly),
		State: NoDaemon, Counts: map[string]int{}, Servers: []ReportServer{}, Findings: map[string]int{}}
}

func policyOf(word string) string { return among(word, "tor", "onion", "direct", "block") }

func (r *Report) count(s Status, peers []Peer, users []User) {
	add := func(words ...string) { r.Counts[strings.Join(words, " ")]++ }
	for _, i := range s.Household.Interfaces {
		add("interfaces", map[bool]string{true: "present", false: "missing"}[i.Present])
	}
	for _, d := range s.Household.Devices {
		add("devices", policyOf(d.Policy))
		if d.Until != nil {
			add("devices for a while")
		}
	}
	for _, o := range s.Onions {
		kind := "public"
		if o.Private {
			kind = "private"
		}
		if !o.Anonymous {
			kind += " not anonymous"
		}
		add("onions", kind)
		add("onions reached", among(string(o.Visitors), "yes", "no"))
		for _, p := range o.Ports {
			if p.Down() {
				add("targets down")
			}
		}
	}
	for _, p := range peers {
		add("friends", among(string(p.State), string(PeerFriend), string(PeerInvited), string(PeerAccepted), string(PeerConfirm),
			string(PeerWaits), string(PeerFinishing), string(PeerIntroduced), string(PeerFailed)))
	}
	for _, u := range users {
		add("users", among(u.Role, "admin", "member", "guest"))
	}
	r.Counts["exceptions"] = len(s.Leaks)
}

// String is the report in lines, for a person to read before it is sent.
func (r Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if r.State == NoDaemon {
		line("tunic %s, %s, %s\nstate: %s", r.Tunic, r.System, r.Made, r.State)
		return b.String()
	}
	line("tunic %s, tor %s, %s, %s", r.Tunic, r.Tor, r.System, r.Made)
	line("state: %s, ready: %v, running for %d hours", r.State, r.Ready, r.Hours)
	line("tor: running %v, bootstrap %d %%, restarted %d times, clock skew %d s", r.TorState.Running, r.TorState.Bootstrap,
		r.TorState.Restarts, r.TorState.Skew)
	line("clock: trusted %v, kept %v, %d relays; second wall stands: %v", r.Clock.Trusted, r.Clock.Kept, r.Clock.Relays, r.Wall)
	line("default policy: %s", r.Default)
	for _, name := range slices.Sorted(maps.Keys(r.Counts)) {
		line("%s: %d", name, r.Counts[name])
	}
	for _, s := range r.Servers {
		line("server %s %s: ready %v, restarted %d times", s.Name, s.Version, s.Ready, s.Restarts)
	}
	for _, code := range slices.Sorted(maps.Keys(r.Findings)) {
		line("finding %s: %d", code, r.Findings[code])
	}
	s := r.Served
	line("names: %d asked, %d unanswered, %d refused, %d blocked; SOCKS: %d, %d failed, %d refused; faults: %d", s.Questions, s.Unanswered,
		s.DNSRefused, s.Blocked, s.Connections, s.Unconnected, s.SOCKSRefused, s.Faults)
	return b.String()
}
