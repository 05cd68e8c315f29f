package api

import (
	"context"
)

// GrantRequest lets somebody find a private onion.
type GrantRequest struct {
	Onion   string `json:"onion"`
	Client  string `json:"client"`            // "alice", "KEY", "grandma:KEY"
	Private bool   `json:"private,omitempty"` // the onion was for everybody, and is not any more
}

// RevokeRequest takes that back.
type RevokeRequest struct {
	Onion  string `json:"onion"`
	Client string `json:"client"` // name or key
}

// GrantClient lets somebody find an onion.
func (c *Client) GrantClient(ctx context.Context, r GrantRequest) error {
	_, err := ask(ctx, c, verbGrantClient, r)
	return err
}

// RevokeClient takes that back.
func (c *Client) RevokeClient(ctx context.Context, r RevokeRequest) error {
	_, err := ask(ctx, c, verbRevokeClient, r)
	return err
}
