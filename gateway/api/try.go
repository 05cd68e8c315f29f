package api

import "context"

// TryRequest asks whether a site opens through Tor. It can take a minute.
type TryRequest struct {
	URL    string `json:"url"`              // "https://bank.example/login", "bank.example", an onion, a friend's name
	Device string `json:"device,omitempty"` // name, MAC or IP address of the device whose policy is looked at too
}

// Try is what came of it.
type Try struct {
	URL      string       `json:"url"` // as it was tried
	Device   string       `json:"device,omitempty"`
	Policy   string       `json:"policy,omitempty"` // of the device
	Way      TryWay       `json:"way"`              // by which the device would go there
	Opens    bool         `json:"opens"`            // through Tor
	Attempts []TryAttempt `json:"attempts"`         // each on circuits of its own; the second only where the first failed
	Verdict  string       `json:"verdict"`          // in words
	Action   string       `json:"action,omitempty"` // what to do
}

// TryWay is the way of a device to a site.
type TryWay string

// The ways.
const (
	ByTor    TryWay = "tor"
	ByDirect TryWay = "direct" // outside Tor, as the device's policy says
	ByBypass TryWay = "bypass" // outside Tor, as a bypass says
	Blocked  TryWay = "blocked"
)

// TryAttempt is one attempt.
type TryAttempt struct {
	Exit      *TryExit  `json:"exit,omitempty"` // absent for onions, and where tor does not say
	Steps     []TryStep `json:"steps"`
	Status    int       `json:"http_status,omitempty"`
	Challenge string    `json:"challenge,omitempty"` // who asks for a proof that a person is there
}

// TryExit is the relay by which an attempt left the Tor network.
type TryExit struct {
	Nickname    string `json:"nickname"`
	Fingerprint string `json:"fingerprint"`
	Address     string `json:"address,omitempty"`
	Country     string `json:"country,omitempty"` // ISO 3166, lower case; absent where tor has no database
}

// TryStep is a part of an attempt.
type TryStep struct {
	Step    string  `json:"step"` // "name", "tcp", "tls", "http"
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Saw     string  `json:"saw,omitempty"`   // an address, a certificate's names, "200 OK"
	Fault   string  `json:"fault,omitempty"` // "name", "refused", "unreached", "tor", "certificate", "tls", "silent", "home"
	Error   string  `json:"error,omitempty"` // in words
}

// Try asks whether a site opens through Tor.
func (c *Client) Try(ctx context.Context, r TryRequest) (Try, error) {
	return ask(ctx, c, verbTry, r)
}
