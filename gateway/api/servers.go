package api

import (
	"context"
	"time"
)

// Server is a server that others have written and that the daemon runs.
type Server struct {
	Name     string     `json:"name"`
	Version  string     `json:"version,omitempty"`
	PID      int        `json:"pid,omitempty"` // absent while it does not run
	Ready    bool       `json:"ready"`         // it answers
	Since    *time.Time `json:"since,omitempty"`
	Restarts int        `json:"restarts"`
	Error    string     `json:"error,omitempty"` // why it does not run
}

// Tail asks for what a server printed last.
func (c *Client) Tail(ctx context.Context, name string) ([]string, error) {
	return ask(ctx, c, verbTail, TailRequest{Server: name})
}

// TailRequest names a managed server.
type TailRequest struct {
	Server string `json:"server"`
}
