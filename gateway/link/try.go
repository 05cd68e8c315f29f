package link

import "time"

// Attempt asks serve to open a page through Tor once, on circuits that nobody has
// used before.
type Attempt struct {
	TLS  bool
	Host string // a name, an onion, or an address without brackets
	Port uint16
	Path string // with its query, beginning with "/"
}

// Attempted is how far that came.
type Attempted struct {
	Circuit   string // the SOCKS password by which tor knows the circuits
	Steps     []Step // in their order; one that failed is the last
	Status    int    // of the last answer by HTTP; 0: there was none
	Challenge string `json:",omitempty"` // who asks for a proof that a person is there: "Cloudflare", "a captcha"
}

// Step is a part of an attempt.
type Step struct {
	Kind   string // "name", "tcp", "tls", "http"
	Took   time.Duration
	Saw    string `json:",omitempty"` // an address, a certificate's names, "200 OK"
	Fault  Fault  `json:",omitempty"` // "": it went well
	Reason string `json:",omitempty"` // why it did not, in words
}

// Fault is what went wrong in a step.
type Fault string

// The faults.
const (
	FaultHome        Fault = "home"        // the destination is in the house, and Tor was not asked
	FaultName        Fault = "name"        // no address for the name
	FaultRefused     Fault = "refused"     // the port takes no connection
	FaultUnreached   Fault = "unreached"   // no answer, or no way there
	FaultTor         Fault = "tor"         // tor itself, or its circuits
	FaultCertificate Fault = "certificate" // it is not valid for the host
	FaultTLS         Fault = "tls"         // there is none, or its versions do not fit
	FaultSilent      Fault = "silent"      // a connection, but no answer by HTTP
)
