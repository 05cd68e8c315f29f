package tor

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// eventNames is what the event connection subscribes to. SETEVENTS is all or
// nothing, so it holds only what every supported tor knows.
const eventNames = "STATUS_CLIENT STATUS_GENERAL HS_DESC NETWORK_LIVENESS STREAM CIRC_MINOR CIRC_BW ORCONN"

// event takes one event line, without its 650. What it does not know, or
// cannot read, changes nothing.
func (t *tracker) event(line string) {
	words, err := splitWords(line)
	if err != nil || len(words) < 2 {
		return
	}
	kind, words := words[0], words[1:]
	switch kind {
	case "STATUS_CLIENT", "STATUS_GENERAL":
		if len(words) < 2 {
			return
		}
		if words[1] == "DANGEROUS_PORT" {
			t.set(func(s *Status) { s.dangerousPort(keywords(words[2:])["PORT"], time.Now()) })
			t.told()
			return
		}
		t.update(func(s *Status) { s.apply(words[0], words[1], keywords(words[2:])) })
	case "NETWORK_LIVENESS":
		t.update(func(s *Status) { s.Live = words[0] == "UP" })
	case "ORCONN":
		t.attempt(words)
	case "HS_DESC":
		if len(words) >= 2 && t.own(words[1]) {
			t.set(func(s *Status) { s.descriptor(words[0], words[1], words[2:]) })
			t.told()
		}
	}
}

// apply takes a status event (control-spec, "Client status events" and
// "General status events"): SEVERITY ACTION KEY=VALUE...
func (s *Status) apply(severity, action string, args map[string]string) {
	switch action {
	case "BOOTSTRAP":
		s.bootstrap(severity, args)
	case "CIRCUIT_ESTABLISHED":
		// tor builds circuits only on a consensus that its clock agrees with.
		s.Circuits, s.ClockSkew, s.Warning = true, 0, ""
	case "CIRCUIT_NOT_ESTABLISHED":
		s.Circuits = false
		if args["REASON"] == "CLOCK_JUMPED" {
			s.Warning = "the clock jumped, so tor builds new circuits"
		}
	case "CLOCK_SKEW":
		if d, ok := skew(args); ok {
			s.ClockSkew = d
		}
	case "DANGEROUS_VERSION":
		s.Warning = plain("this version of tor is " + strings.ToLower(args["REASON"]) + " for the network: update it")
	}
}

func (s *Status) bootstrap(severity string, args map[string]string) {
	percent, err := strconv.Atoi(args["PROGRESS"])
	if err != nil || percent < 0 || percent > 100 {
		return
	}
	s.Bootstrap, s.Summary = percent, plain(args["SUMMARY"])
	switch {
	case severity == "WARN":
		s.Warning = plain(args["WARNING"])
	case args["WARNING"] == "":
		s.Warning = ""
	}
	if percent == 100 {
		s.LastError = ""
	}
}

// maxSkew keeps a silly number from overflowing a time.Duration.
const maxSkew = 100 * 365 * 24 * time.Hour

// skew reads CLOCK_SKEW's number of seconds, positive if the box is ahead.
// tor says MIN_SKEW where it knows a lower bound only.
func skew(args map[string]string) (time.Duration, bool) {
	for _, key := range []string{"SKEW", "MIN_SKEW"} {
		seconds, err := strconv.ParseInt(args[key], 10, 64)
		if err == nil && seconds >= -int64(maxSkew/time.Second) && seconds <= int64(maxSkew/time.Second) {
			return time.Duration(seconds) * time.Second, true
		}
	}
	return 0, false
}

// own reports whether an onion is the household's: the other addresses are where its
// devices go, and nobody is told of these.
func (t *tracker) own(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, own := t.status.Onions[address]
	return own
}

// descriptor takes an HS_DESC event (control-spec, "HiddenService
// descriptors") of the household's own onion: ACTION ADDRESS AUTHTYPE HSDIR ...
func (s *Status) descriptor(action, address string, rest []string) {
	d, own := s.Onions[address]
	if !own {
		return
	}
	switch action {
	case "UPLOAD":
		if len(rest) >= 3 {
			s.way(address).sent(rest[1], rest[2])
		}
	case "UPLOADED":
		d.Uploads++
		d.At = time.Now()
		d.LastError = ""
		if len(rest) >= 2 {
			s.holders.took(address, rest[1], d.At)
			s.way(address).answered(rest[1], true, d.At)
		}
	case "FAILED":
		// Failures of a fetch have other reasons: somebody at home visits us.
		if reason := keywords(rest)["REASON"]; reason == "UPLOAD_REJECTED" || reason == "UNEXPECTED" {
			d.Failed++
			d.LastError = reason
			if len(rest) >= 2 {
				s.way(address).answered(rest[1], false, time.Now())
			}
		}
	}
	s.Onions[address] = d
}

// way returns what is known of the uploads of one onion.
func (s *Status) way(address string) *uploads {
	if s.ways[address] == nil {
		s.ways[address] = new(uploads)
	}
	return s.ways[address]
}

// descriptorLife is how long a directory keeps a descriptor (rend-spec-v3,
// "descriptor-lifetime": 180 minutes).
const descriptorLife = 3 * time.Hour

// directories are, for each onion, those that took its descriptor, and when.
type directories map[string]map[string]time.Time

func (d directories) took(onion, directory string, now time.Time) {
	if d[onion] == nil {
		d[onion] = make(map[string]time.Time)
	}
	d[onion][directory] = now
	maps.DeleteFunc(d[onion], func(_ string, at time.Time) bool { return now.Sub(at) > descriptorLife })
}

// holding counts the directories that have the onion's descriptor now.
func (d directories) holding(onion string, now time.Time) (n int) {
	for _, at := range d[onion] {
		if now.Sub(at) <= descriptorLife {
			n++
		}
	}
	return n
}
