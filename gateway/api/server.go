package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"time"
)

// Failure is an error with what to do next. Client calls return it for every
// request that the daemon answered with a problem.
type Failure struct {
	Problem
}

func (f *Failure) Error() string { return f.Problem.Error }

// maxRequest bounds a request's body.
const maxRequest = 1 << 20

// Serve answers requests on ln until ctx ends.
func Serve(ctx context.Context, ln net.Listener, parts Parts, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           handler(parts),
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       withCaller,
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

// route is a request and who answers it.
type route struct {
	method, path, about string
	asked, answered     reflect.Type // nil: nothing
	handle              http.HandlerFunc
	looks               bool // may be asked by those who only look
}

// describe is the route of a request that h answers.
func describe[Q, A any](r Request[Q, A], h http.HandlerFunc) route {
	d := route{method: r.method, path: r.path, about: r.about, answered: reflect.TypeFor[A](), handle: h}
	if r.method != http.MethodGet {
		d.asked = reflect.TypeFor[Q]()
	}
	return d
}

func get[A any](r Request[nothing, A], do func(context.Context) (A, error)) route {
	return describe(r, func(w http.ResponseWriter, req *http.Request) {
		a, err := do(req.Context())
		answer(w, a, err)
	})
}

func post[Q, A any](r Request[Q, A], do func(context.Context, Q) (A, error)) route {
	return describe(r, func(w http.ResponseWriter, req *http.Request) {
		var q Q
		if !read(w, req, &q) {
			return
		}
		a, err := do(req.Context(), q)
		answer(w, a, err)
	})
}

// done is for what is answered by nothing but that it is done, and do for what
// is asked by nothing either.
func done[Q any](f func(context.Context, Q) error) func(context.Context, Q) (nothing, error) {
	return func(ctx context.Context, q Q) (nothing, error) { return nothing{}, f(ctx, q) }
}

func do(f func(context.Context) error) func(context.Context, nothing) (nothing, error) {
	return func(ctx context.Context, _ nothing) (nothing, error) { return nothing{}, f(ctx) }
}

// leaving is for what ends this process: what it is answered with is on its way by then.
func leaving[A any](r Request[nothing, A], do func(context.Context) (A, func(), error)) route {
	return describe(r, func(w http.ResponseWriter, req *http.Request) {
		a, leave, err := do(req.Context())
		if err != nil {
			answer(w, nil, err)
			return
		}
		body, err := json.Marshal(a)
		if err != nil {
			body = []byte("{}") // it has happened all the same
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, err = w.Write(body)
		_ = errors.Join(err, http.NewResponseController(w).Flush()) // who has asked may have gone away
		leave()
	})
}

func handler(p Parts) http.Handler {
	mux := http.NewServeMux()
	for _, r := range p.routes() {
		mux.HandleFunc(r.method+" "+r.path, r.guarded)
	}
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
