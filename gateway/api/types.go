// Package api is the daemon's local interface: JSON over HTTP on a unix socket
// that only root may open, and a group that may look (caller.go). Every verb of the
// command line goes through it.
//
// It holds the shapes of what is said, the server and the client; what a verb
// does is the gateway's business.
package api

import (
	"time"

	"tunic/gateway/health"
)

// State says how far the household is open.
type State string

const (
	Closed State = "lockdown" // the household reaches nothing but the box
	Open   State = "open"     // each device's traffic goes as its policy says
)

// Status is what `tunic status --json` prints.
type Status struct {
	Version   string           `json:"version"`
	State     State            `json:"state"`
	Ready     bool             `json:"ready"` // what is asked for has been done; what does not work is in Findings
	Why       string           `json:"why"`   // why it is not open or not ready, in words; empty when all is well
	Since     time.Time        `json:"since"` // start of the daemon
	Tor       Tor              `json:"tor"`
	Clock     Clock            `json:"clock"`
	FastTor   *Tor             `json:"fast_tor,omitempty"` // the one for onions that are not anonymous, while there are any
	Wall      Wall             `json:"wall"`
	Household Household        `json:"household"`
	Onions    []Onion          `json:"onions"`
	Phones    []Phone          `json:"phones"`     // that reach mail and chat from anywhere
	Servers   []Server         `json:"servers"`    // those that others have written
	Leaks     []string         `json:"exceptions"` // connections that leave outside Tor because the owner said so
	Findings  []health.Finding `json:"findings"`   // the worst first
}

// Tor is the tor process.
type Tor struct {
	Version   string `json:"version"`
	Running   bool   `json:"running"`
	Bootstrap int    `json:"bootstrap"` // percent
	Summary   string `json:"summary"`   // tor's own words
	Warning   string `json:"warning,omitempty"`
	ClockSkew int    `json:"clock_skew_seconds"` // 0 when tor has seen none
	Restarts  int    `json:"restarts"`
}

// Clock is what is known of the box's clock.
type Clock struct {
	Trusted bool    `json:"trusted"`       // devices may be told the time
	Kept    bool    `json:"kept"`          // the kernel says that an NTP client keeps it
	Relays  int     `json:"relays"`        // of the Tor network that agreed on the time; 0: none, or too long ago
	Asked   int     `json:"relays_asked"`  // of so many
	Error   float64 `json:"error_seconds"` // how wrong what they said can be by now
}

// Wall is the second wall: rules of routing policy, which hold what devices send
// when the packet filter's rules are gone (decision 44).
type Wall struct {
	Stands bool     `json:"stands"`
	Wrong  []string `json:"wrong"` // in words, a line for each address family; empty when it stands
}

// Household is the part of the network that tunic is in charge of.
type Household struct {
	DefaultPolicy string      `json:"default_policy"`
	Interfaces    []Interface `json:"interfaces"`
	Devices       []Device    `json:"devices"` // configured ones, and those in the neighbour table
	Served        Served      `json:"served"`
}

// Served counts what devices asked of the box since the process that answers
// them has started.
type Served struct {
	Questions    uint64    `json:"dns_questions"`
	Unanswered   uint64    `json:"dns_unanswered"` // of them: SERVFAIL
	Cached       uint64    `json:"dns_cached"`     // of them: answered with what Tor had said before
	DNSRefused   uint64    `json:"dns_refused"`    // questions and connections beyond what one device may have
	Blocked      uint64    `json:"dns_blocked"`    // questions for names on a block list
	Connections  uint64    `json:"socks_connections"`
	Active       int       `json:"socks_active"`     // of them: open now
	Unconnected  uint64    `json:"socks_failed"`     // of them: not connected by tor
	SOCKSRefused uint64    `json:"socks_refused"`    // beyond the limits, no SOCKS5, destinations in the house
	Up           uint64    `json:"socks_bytes_up"`   // from devices, of what has ended
	Down         uint64    `json:"socks_bytes_down"` // to devices, of what has ended
	Time         Times     `json:"time"`             // questions of devices for the time
	OwnTime      Times     `json:"own_time"`         // and those of the box's own NTP client
	Services     []Service `json:"services"`         // that devices have reached, by name
	Faults       uint64    `json:"faults"`           // conversations, of visitors too, that a mistake in tunic has ended; the log has it
}

// Times counts questions for the time.
type Times struct {
	Answered uint64 `json:"answered"`
	Refused  uint64 `json:"refused"` // beyond the limits, or no questions for the time
}

// Service counts the connections of devices to a service of the box.
type Service struct {
	Name     string `json:"name"` // "gopher", "imap"
	Accepted uint64 `json:"accepted"`
	Active   int    `json:"active"`  // of them: open now
	Refused  uint64 `json:"refused"` // beyond what one device, or all, may have
}

// Interface is one household interface.
type Interface struct {
	Name      string   `json:"name"`
	Present   bool     `json:"present"`
	Addresses []string `json:"addresses"` // with prefix length
}

// Device is a host of the household.
type Device struct {
	Name      string     `json:"name,omitempty"`
	Named     string     `json:"named_by,omitempty"` // "file": its owner; "lease": the device itself, by DHCP
	MAC       string     `json:"mac"`
	Policy    string     `json:"policy"`          // in force now
	Until     *time.Time `json:"until,omitempty"` // of a policy that ends by itself
	Then      string     `json:"then,omitempty"`  // the policy after that
	Addresses []string   `json:"addresses"`       // from the neighbour table and the DHCP leases
	Seen      bool       `json:"seen"`            // the kernel has spoken with it lately
}

// Onion is one permanent address.
type Onion struct {
	Name       string        `json:"name"`
	Address    string        `json:"address"`   // "KEY.onion"
	Private    bool          `json:"private"`   // only its clients can find it
	Anonymous  bool          `json:"anonymous"` // false: relays know where the box is
	Clients    []OnionClient `json:"clients,omitempty"`
	Published  bool          `json:"published"` // its descriptor was uploaded since tor started
	Uploads    int           `json:"uploads"`
	UploadedAt *time.Time    `json:"uploaded_at,omitempty"`
	Streams    uint64        `json:"streams"`
	Active     int           `json:"active"`
	Turned     uint64        `json:"streams_refused"` // beyond a limit, or for a port that it has not; not in Streams
	Ports      []Port        `json:"ports"`
	Old        []OldAddress  `json:"old,omitempty"` // where it was before, and is still found
	Reach
}

// OnionClient is one who can find a private onion.
type OnionClient struct {
	Name string `json:"name"`           // petname or label; the beginning of the key if it has none
	Peer bool   `json:"peer,omitempty"` // a friend's box
	Key  string `json:"key"`            // x25519, public

	Invited bool `json:"invited,omitempty"` // whoever comes with an invitation that nobody has used yet
}

// Findable reports whether anybody may find the onion.
func (o Onion) Findable() bool { return len(o.Ports) > 0 && (!o.Private || len(o.Clients) > 0) }

// Port is one virtual port of an onion.
type Port struct {
	Port      uint16 `json:"port"`
	Target    string `json:"target"`
	Reachable bool   `json:"reachable"`       // the target is up; whether visitors get there says Call
	Error     string `json:"error,omitempty"` // why it is not; "" and not reachable: nobody has asked it yet
	PortReach
}

// Down reports whether the target was asked and is not there.
func (p Port) Down() bool { return !p.Reachable && p.Error != "" }

// Plan is what a reload would change.
type Plan struct {
	Running bool     `json:"running"`          // a daemon is there to compare with
	Closed  string   `json:"closed,omitempty"` // why the household is closed now; opening it is no change
	Files   []string `json:"files,omitempty"`  // that differ from those in force: "+ onions/x.toml", "~ tunic.toml", "- devices/tv.toml"
	Changes []string `json:"changes"`          // one line each; empty: nothing
}

// PublishRequest asks for a new onion, or for the same one again.
type PublishRequest struct {
	Name  string   `json:"name"`
	Ports []string `json:"ports"` // "80=192.168.1.20:8080"; with As also "192.168.1.20"

	Private bool     `json:"private,omitempty"` // only Clients can find it
	Clients []string `json:"clients,omitempty"` // "alice", "KEY", "grandma:KEY"

	Fast bool `json:"fast,omitempty"` // not anonymous: fewer hops, and relays know where the box is

	As string `json:"as,omitempty"` // a profile
}

// UnpublishRequest takes an onion away; its keys are kept unless it says otherwise.
type UnpublishRequest struct {
	Name      string `json:"name"`
	ForgetKey bool   `json:"forget_key,omitempty"` // delete its keys for good; its file may be gone already
}

// Problem is the answer to a request that failed.
type Problem struct {
	Error string `json:"error"` // what is wrong
	Hint  string `json:"hint,omitempty"`
	Usage bool   `json:"usage,omitempty"` // wrong usage or configuration: exit status 2
}
