package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// fake answers each verb with what it was told, and records the requests.
type fake struct {
	asked []any
	err   error
	left  chan struct{} // gets one when the process may end; nil: nobody waits for that
}

func (f *fake) Status(context.Context) Status { return Status{Version: "1", State: Open} }
func (f *fake) Plan(context.Context) (Plan, error) {
	return Plan{Running: true, Changes: []string{"+ x"}}, f.err
}
func (f *fake) Check(_ context.Context, r CheckRequest) (Onion, error) {
	f.asked = append(f.asked, "check "+r.Name)
	return Onion{Name: r.Name, Reach: Reach{Visitors: Yes}}, f.err
}
func (f *fake) Reload(context.Context) error   { f.asked = append(f.asked, "reload"); return f.err }
func (f *fake) Lockdown(context.Context) error { f.asked = append(f.asked, "lockdown"); return f.err }
func (f *fake) Unpublish(_ context.Context, r UnpublishRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}
func (f *fake) Publish(_ context.Context, r PublishRequest) (Onion, error) {
	f.asked = append(f.asked, r)
	return Onion{Name: r.Name, Address: "x.onion"}, f.err
}

func (f *fake) Rotate(_ context.Context, r RotateRequest) (Onion, error) {
	f.asked = append(f.asked, r)
	return Onion{Name: r.Name, Address: "y.onion"}, f.err
}
func (f *fake) Import(_ context.Context, r ImportRequest) (Imported, error) {
	f.asked = append(f.asked, r)
	return Imported{Name: r.Name, Address: "z.onion", Clients: len(r.Clients)}, f.err
}
func (f *fake) GrantClient(_ context.Context, r GrantRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}
func (f *fake) RevokeClient(_ context.Context, r RevokeRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}

func (f *fake) Bypasses(context.Context) ([]Bypass, error) {
	return []Bypass{{To: "bank.example"}}, f.err
}
func (f *fake) AddBypass(_ context.Context, r BypassRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}
func (f *fake) RemoveBypass(_ context.Context, r BypassRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}
func (f *fake) Upgrade(context.Context) (Upgraded, func(), error) {
	leave := func() {
		if f.left != nil {
			f.left <- struct{}{}
		}
	}
	return Upgraded{From: "1", To: "2", Streams: 3}, leave, f.err
}

func client(t *testing.T, f *fake) *Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, ln, Parts{f, f, f, f, f, f, f, f, f, f, f, f}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return NewClient(path)
}

func TestVerbsGoThrough(t *testing.T) {
	f := &fake{}
	c, ctx := client(t, f), t.Context()
	if s, err := c.Status(ctx); err != nil || s.State != Open {
		t.Errorf("Status = %+v, %v", s, err)
	}
	if p, err := c.Plan(ctx); err != nil || !reflect.DeepEqual(p.Changes, []string{"+ x"}) {
		t.Errorf("Plan = %+v, %v", p, err)
	}
	publish := PublishRequest{Name: "photos", Ports: []string{"80=192.168.77.20:8080"}}
	if o, err := c.Publish(ctx, publish); err != nil || o.Name != "photos" {
		t.Errorf("Publish = %+v, %v", o, err)
	}
	if err := errors.Join(c.Unpublish(ctx, UnpublishRequest{Name: "photos"}), c.Reload(ctx), c.Lockdown(ctx)); err != nil {
		t.Error(err)
	}
	if list, err := c.Bypasses(ctx); err != nil || len(list) != 1 {
		t.Errorf("Bypasses = %+v, %v", list, err)
	}
	bank := BypassRequest{To: "bank.example", Devices: []string{"tv"}}
	if err := errors.Join(c.AddBypass(ctx, bank), c.RemoveBypass(ctx, BypassRequest{To: "bank.example"})); err != nil {
		t.Error(err)
	}
	rotate, bring := RotateRequest{Name: "photos", Keep: time.Hour},
		ImportRequest{Name: "blog", Secret: []byte{1}, Clients: map[string]string{"a.auth": "x"}}
	if o, err := c.Rotate(ctx, rotate); err != nil || o.Address != "y.onion" {
		t.Errorf("Rotate = %+v, %v", o, err)
	}
	if i, err := c.Import(ctx, bring); err != nil || i.Clients != 1 {
		t.Errorf("Import = %+v, %v", i, err)
	}
	grant, revoke := GrantRequest{Onion: "photos", Client: "alice"}, RevokeRequest{Onion: "photos", Client: "alice"}
	if err := errors.Join(c.GrantClient(ctx, grant), c.RevokeClient(ctx, revoke)); err != nil {
		t.Error(err)
	}
	if want := []any{publish, UnpublishRequest{Name: "photos"}, "reload", "lockdown", bank,
		BypassRequest{To: "bank.example"}, rotate, bring, grant,
		revoke}; !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %v", f.asked)
	}
}

// What went wrong arrives with its hint and kind.
func TestFailuresKeepTheirHint(t *testing.T) {
	f := &fake{err: &Failure{Problem{Error: "no such onion", Hint: "see `tunic onions`", Usage: true}}}
	err := client(t, f).Reload(t.Context())
	got, ok := errors.AsType[*Failure](err)
	if !ok || got.Hint != "see `tunic onions`" || !got.Usage {
		t.Fatalf("got %#v", err)
	}
	f.err = errors.New("plain")
	if err := client(t, f).Reload(t.Context()); err == nil || err.Error() != "plain" {
		t.Fatalf("got %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := NewClient(path).Reload(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if err := NewClient(path).Reload(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stale socket: %v", err)
	}
}
