package api

import "context"

// Phone is a phone of one of the household that may be anywhere: it reaches the box's
// mail and chat by an onion of its own.
type Phone struct {
	Name    string   `json:"name"`
	User    string   `json:"user"`              // whose it is
	Login   string   `json:"login,omitempty"`   // "ann@KEY.peer.home.arpa"
	Onion   string   `json:"onion"`             // name of its onion here: "away-NAME"
	Address string   `json:"address,omitempty"` // "KEY.onion", which is its server
	Ports   []uint16 `json:"ports"`             // that it reaches there
	ShutOut bool     `json:"shut_out"`          // there is no such user (any more)

	Published bool   `json:"published"` // its descriptor was uploaded since tor started
	Streams   uint64 `json:"streams"`   // that it has opened since serve started
	Active    int    `json:"active"`    // of them: open now
}

// PhoneRequest makes a phone's onion. Who asks keeps the secret part of Key.
type PhoneRequest struct {
	Name string `json:"name"`
	User string `json:"user"`
	Key  string `json:"key"` // x25519 public key, 52 letters
}

// PhoneName names a phone.
type PhoneName struct {
	Name string `json:"name"`
}

// AddPhone gives a phone an onion.
func (c *Client) AddPhone(ctx context.Context, r PhoneRequest) (Phone, error) {
	return ask(ctx, c, verbAddPhone, r)
}

// RemovePhone takes it away, with what the phone has open.
func (c *Client) RemovePhone(ctx context.Context, r PhoneName) error {
	_, err := ask(ctx, c, verbRemovePhone, r)
	return err
}
