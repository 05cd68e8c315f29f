package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Servers is the part of the gateway that knows the managed servers.
type Servers interface {
	// Tail is what a server printed last, the oldest line first.
	Tail(name string) ([]string, error)
}

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
	var lines []string
	return lines, c.call(ctx, http.MethodGet, "/log?server="+url.QueryEscape(name), nil, &lines)
}

func handleServers(mux *http.ServeMux, g Servers) {
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, r *http.Request) {
		lines, err := g.Tail(r.FormValue("server"))
		answer(w, lines, err)
	})
}
