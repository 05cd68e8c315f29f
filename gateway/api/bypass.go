package api

import "context"

// Bypass is one destination that devices reach outside Tor.
type Bypass struct {
	To      string   `json:"to"`      // a domain, with all names below it, or a network
	Devices []string `json:"devices"` // names of their files; empty: every device
	Open    int      `json:"open"`    // addresses of the domain that are let out now
}

// BypassRequest names a destination: "bank.example", "198.51.100.0/24", or the
// address of a page.
type BypassRequest struct {
	To      string   `json:"to"`
	Devices []string `json:"devices,omitempty"` // empty: every device. Only for adding
}

// Bypasses lists what leaves outside Tor because the configuration says so.
func (c *Client) Bypasses(ctx context.Context) ([]Bypass, error) {
	return ask(ctx, c, verbBypasses, nothing{})
}

// AddBypass lets devices reach a destination outside Tor.
func (c *Client) AddBypass(ctx context.Context, r BypassRequest) error {
	_, err := ask(ctx, c, verbAddBypass, r)
	return err
}

// RemoveBypass has a destination reached through Tor again.
func (c *Client) RemoveBypass(ctx context.Context, r BypassRequest) error {
	_, err := ask(ctx, c, verbRemoveBypass, r)
	return err
}
