package api

import (
	"context"
	"time"
)

// Reach is whether visitors can find an onion and get in.
type Reach struct {
	Key         bool       `json:"key"`          // its keys are there
	As          string     `json:"as,omitempty"` // the profile of what is published
	Directories int        `json:"directories"`  // that hold its descriptor now
	Refused     int        `json:"uploads_refused"`
	RefusedWhy  string     `json:"upload_error,omitempty"` // since the last one that was taken; tor's word
	Visitors    Answer     `json:"visitors"`               // do visitors get in? What the last call through Tor found
	Failures    int        `json:"failures"`               // calls in a row that did not arrive
	Repairs     int        `json:"repairs"`                // times it was published again since the last that did
	RepairedAt  *time.Time `json:"repaired_at,omitempty"`
}

// Answer is yes, no, or that nobody knows yet.
type Answer string

const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// PortReach is what is known of a port beside whether its target is up.
type PortReach struct {
	Protocol  string     `json:"protocol"`               // by which the target is asked
	Saw       string     `json:"saw,omitempty"`          // what it says of itself
	Refuses   bool       `json:"refuses_name,omitempty"` // the application does not serve the onion's name
	CheckedAt *time.Time `json:"checked_at,omitempty"`
	LastUp    *time.Time `json:"last_up,omitempty"`
	Call      *Call      `json:"call,omitempty"` // nil: none yet
}

// Call is the last time that the box called the port through Tor, on circuits
// of its own, as a visitor does.
type Call struct {
	At        time.Time  `json:"at"`
	OK        bool       `json:"ok"`
	Seconds   float64    `json:"seconds"`
	Error     string     `json:"error,omitempty"`
	Elsewhere bool       `json:"elsewhere,omitempty"` // another box answered
	LastOK    *time.Time `json:"last_ok,omitempty"`
}

// CheckRequest asks the daemon to call an onion now.
type CheckRequest struct {
	Name string `json:"name"`
}

// Check calls an onion now; it can take a minute or two.
func (c *Client) Check(ctx context.Context, name string) (Onion, error) {
	return ask(ctx, c, verbCheck, CheckRequest{Name: name})
}
