package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Gateway is what the server needs of the daemon. Errors that are a *Failure
// keep their hint and kind on the way to the command line.
type Gateway interface {
	Status(ctx context.Context) Status
	Plan(ctx context.Context) (Plan, error)
	Reload(ctx context.Context) error
	Publish(ctx context.Context, r PublishRequest) (Onion, error)
	Unpublish(ctx context.Context, r UnpublishRequest) error
	Lockdown(ctx context.Context) error
	Devices
	Checks
	Identities
	Users
	Clients
	Mail
	Servers
	Peers
}

// Failure is an error with what to do next. Client calls return it for every
// request that the daemon answered with a problem.
type Failure struct {
	Problem
}

func (f *Failure) Error() string { return f.Problem.Error }

// maxRequest bounds a request's body.
const maxRequest = 1 << 20

// Serve answers requests on ln until ctx ends.
func Serve(ctx context.Context, ln net.Listener, g Gateway, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           handler(g),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the API: %w", err)
	}
	return nil
}

func handler(g Gateway) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, g.Status(r.Context()), nil)
	})
	mux.HandleFunc("GET /plan", func(w http.ResponseWriter, r *http.Request) {
		p, err := g.Plan(r.Context())
		answer(w, p, err)
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, g.Reload(r.Context()))
	})
	mux.HandleFunc("POST /lockdown", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, g.Lockdown(r.Context()))
	})
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		var req PublishRequest
		if !read(w, r, &req) {
			return
		}
		o, err := g.Publish(r.Context(), req)
		answer(w, o, err)
	})
	mux.HandleFunc("POST /unpublish", func(w http.ResponseWriter, r *http.Request) {
		var req UnpublishRequest
		if !read(w, r, &req) {
			return
		}
		answer(w, struct{}{}, g.Unpublish(r.Context(), req))
	})
	handleDevices(mux, g)
	handleChecks(mux, g)
	handleIdentities(mux, g)
	handleUsers(mux, g)
	handleClients(mux, g)
	handleMail(mux, g)
	handleServers(mux, g)
	handlePeers(mux, g)
	return mux
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		answer(w, nil, &Failure{Problem{Error: fmt.Sprintf("reading the request: %v", err), Usage: true}})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		p := Problem{Error: err.Error()}
		if f, ok := errors.AsType[*Failure](err); ok {
			p = f.Problem
		}
		w.WriteHeader(http.StatusConflict)
		v = p
	}
	json.NewEncoder(w).Encode(v)
}
