package api

import (
	"context"
	"net/http"
)

// Clients is the part of the gateway that knows who may find which onion.
type Clients interface {
	GrantClient(ctx context.Context, r GrantRequest) error
	RevokeClient(ctx context.Context, r RevokeRequest) error
}

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
	return c.call(ctx, http.MethodPost, "/grant", r, nil)
}

// RevokeClient takes that back.
func (c *Client) RevokeClient(ctx context.Context, r RevokeRequest) error {
	return c.call(ctx, http.MethodPost, "/revoke", r, nil)
}

func handleClients(mux *http.ServeMux, g Clients) {
	mux.HandleFunc("POST /grant", handle(func(ctx context.Context, r GrantRequest) (struct{}, error) {
		return struct{}{}, g.GrantClient(ctx, r)
	}))
	mux.HandleFunc("POST /revoke", handle(func(ctx context.Context, r RevokeRequest) (struct{}, error) {
		return struct{}{}, g.RevokeClient(ctx, r)
	}))
}
