package link

import "time"

// Trial asks serve whether an onion can be reached: whether its targets are up
// and, with Call, whether the box reaches its own front through Tor, as a
// visitor would, which can take a minute.
type Trial struct {
	Onion string
	Call  bool
}

// Reached is what was found out.
type Reached struct {
	Ports []PortStatus
	Calls []OwnCall
}

// PortStatus says whether a port's target is up.
type PortStatus struct {
	Virtual   uint16
	At        time.Time // when it was last looked at
	Reachable bool
	Error     string `json:",omitempty"` // why it is not, without addresses of visitors
	Saw       string `json:",omitempty"` // what it says of itself, one line
	Refuses   bool   `json:",omitempty"` // a web application that does not serve the onion's name
}

// OwnCall is one connection of the box to a port of its own onion, on circuits
// that nobody has used before.
type OwnCall struct {
	Virtual   uint16
	At        time.Time
	Took      time.Duration // until the front's answer was here
	Error     string        `json:",omitempty"` // why there was none
	Elsewhere bool          `json:",omitempty"` // somebody else answered
}
