package api

import (
	"context"
	"log/slog"
	"time"
)

// RotateRequest asks for a new address.
type RotateRequest struct {
	Name        string        `json:"name"`
	Keep        time.Duration `json:"keep"`         // how long the old address works beside it
	NewIdentity bool          `json:"new_identity"` // for home: its owner knows what that means
}

// OldAddress is where an onion that was rotated is still found for a while.
type OldAddress struct {
	Address   string    `json:"address"` // "KEY.onion"
	Until     time.Time `json:"until"`
	Published bool      `json:"published"`
}

// ImportRequest brings the keys of an onion that another program has made.
type ImportRequest struct {
	Name    string            `json:"name"`
	Secret  []byte            `json:"secret"`            // 64 bytes, expanded
	Clients map[string]string `json:"clients,omitempty"` // files of authorized_clients
}

// LogValue keeps the secret out of logs.
func (r ImportRequest) LogValue() slog.Value { return slog.StringValue(r.Name) }

// Imported says which address came in.
type Imported struct {
	Name    string `json:"name"`
	Address string `json:"address"` // "KEY.onion"
	Clients int    `json:"clients"` // that it was private for
}

// Rotate gives an onion a new address and returns what it is now.
func (c *Client) Rotate(ctx context.Context, r RotateRequest) (Onion, error) {
	return ask(ctx, c, verbRotate, r)
}

// Import brings keys.
func (c *Client) Import(ctx context.Context, r ImportRequest) (Imported, error) {
	return ask(ctx, c, verbImport, r)
}
