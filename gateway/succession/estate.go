package succession

import (
	"encoding/json"
	"slices"

	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/managed"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Estate is what a daemon hands its heir beside descriptors. It holds secrets: it goes
// over the link and nowhere else.
type Estate struct {
	State    State
	Paths    map[string]string // of the unix sockets among the listeners, by name
	Tor      *tor.Handed       // nil: it runs none
	Fast     *tor.Handed
	Serve    supervise.Handed
	Older    []supervise.Handed // serves of still earlier daemons whose streams go on
	Servers  []managed.Handed
	Features map[string]json.RawMessage // what features have in memory alone, by their names
}

// State is how the household stands.
type State struct {
	Version string // of the old daemon
	Open    bool
	Held    bool    // closed because lockdown was asked for
	Done    bool    // all that was asked for is in force
	Faults  []Fault // errors that the old daemon has found

	Facts    feature.Facts // of the household's interfaces, also of one that is away
	LastOpen rules.Input   // by what connections were last allowed
	Last     rules.Input   // what is in force
}

// Fault is an error of the household by what it is and whom it is about.
type Fault struct {
	Code    health.Code
	Subject string
}

// Faults picks the errors of findings.
func Faults(findings []health.Finding) (list []Fault) {
	for _, f := range findings {
		if f.Severity == health.Error {
			list = append(list, Fault{f.Code, f.Subject})
		}
	}
	return list
}

// Worse says what is worse in now than in s; "" if nothing is.
func (s State) Worse(now State) string {
	for _, f := range now.Faults {
		if !slices.Contains(s.Faults, f) {
			return "it finds " + string(f.Code) + " " + f.Subject
		}
	}
	switch {
	case s.Open && !now.Open:
		return "the household is closed"
	case s.Done && !now.Done:
		return "not everything is in force"
	}
	return ""
}

// Names of descriptors: those of outputs are followed by nothing, or by the name of a
// server, those of listeners by the listener's.
const (
	FileLock     = "lock"
	FileAPI      = "api"
	FileTor      = "output/tor"
	FileFast     = "output/fast"
	FileServe    = "output/serve"
	FileOlder    = "output/older/" // and its number in Older
	FileServer   = "output/server/"
	FileListener = "listener/"
)
