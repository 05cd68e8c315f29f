package tor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// attached returns a Tor that believes that a process runs at spec, whose
// control connections are the fake's. It counts the restarts that are asked for.
func attached(t *testing.T, restarts *int, spec Spec, commands ...exchange) *Tor {
	t.Helper()
	f := newFakeControl(t, commands, nil)
	s := &session{}
	var err error
	if s.commands, err = dialControl(t.Context(), f.socket, "", os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if s.events, err = dialControl(t.Context(), f.socket, "", os.Getpid()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	tor := New(Options{Log: slog.New(slog.DiscardHandler)})
	tor.accept(spec)
	tor.setSession(s)
	tor.setRestart(func() { *restarts++ })
	return tor
}

// localSpec is a state whose files this user can write.
func localSpec(t *testing.T, binary string) Spec {
	t.Helper()
	base := t.TempDir()
	s := plainSpec()
	s.Binary, s.UID, s.GID = binary, uint32(max(os.Getuid(), 1)), uint32(os.Getgid())
	s.DataDir, s.RunDir, s.Torrc = filepath.Join(base, "data"), filepath.Join(base, "run"), filepath.Join(base, "torrc")
	s.Socks = filepath.Join(base, "tor.sock")
	if err := os.Chmod(base, 0o711); err != nil {
		t.Fatal(err)
	}
	return s
}

// changed is s with one more onion, which needs no other process.
func changed(s Spec) Spec {
	s = s.Clone()
	s.Onions = append(s.Onions, Onion{Name: "new", Address: ownAddress, Dir: "/k", Socket: "/s", Ports: []uint16{80}})
	return s
}

func goodListeners(s Spec) []exchange {
	return []exchange{
		{"GETINFO net/listeners/trans", `250-net/listeners/trans="[::]:9240" "0.0.0.0:9240"` + "\n250 OK"},
		{"GETINFO net/listeners/socks", `250-net/listeners/socks="127.0.0.1:9250" ` + quote("unix:"+s.Socks) + "\n250 OK"},
		{"GETINFO net/listeners/dns", `250-net/listeners/dns="127.0.0.1:9253" "[::1]:9253"` + "\n250 OK"},
		{"GETINFO net/listeners/control", `250-net/listeners/control=` + quote("unix:"+s.controlSocket()) + "\n250 OK"},
	}
}

func TestApplyWhileRunning(t *testing.T) {
	restarts := 0
	spec := localSpec(t, "tor")
	tor := attached(t, &restarts, spec, exchange{"+LOADCONF", "250 OK"})
	if err := tor.Apply(t.Context(), spec); err != nil { // equal: sends nothing
		t.Fatal(err)
	}
	next := changed(spec)
	if err := tor.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if !tor.current().Equal(next) || restarts != 0 {
		t.Errorf("%d restarts, state %+v", restarts, tor.current())
	}
	if text, err := os.ReadFile(spec.Torrc); err != nil || string(text) != owned(Render(next, Version{})) {
		t.Errorf("the torrc was not written (%v)", err)
	}
	if _, ok := tor.Status().Onions[ownAddress]; !ok {
		t.Error("the status does not know the new onion")
	}
}

func TestApplyRefused(t *testing.T) {
	restarts := 0
	spec := localSpec(t, "tor")
	tor := attached(t, &restarts, spec,
		exchange{"+LOADCONF", "553 Failed to bind one of the listener ports."},
		exchange{"GETINFO net/listeners/trans", `250-net/listeners/trans="[::]:9240"` + "\n250 OK"})
	err := tor.Apply(t.Context(), changed(spec))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != 553 {
		t.Errorf("Apply = %v", err)
	}
	if restarts != 1 || !tor.current().Equal(spec) {
		t.Errorf("a lost listener: %d restarts, state %+v", restarts, tor.current())
	}
	if len(tor.Status().Onions) != 0 {
		t.Errorf("the status knows an onion that is not there: %+v", tor.Status().Onions)
	}
}

func TestApplyRefusedWithoutDamage(t *testing.T) {
	restarts := 0
	spec := localSpec(t, "tor")
	refusal := exchange{"+LOADCONF", "552 Unrecognized option: Unknown option 'Foo'.  Failing."}
	tor := attached(t, &restarts, spec, append([]exchange{refusal}, goodListeners(spec)...)...)
	if err := tor.Apply(t.Context(), changed(spec)); err == nil || !strings.Contains(err.Error(), "Unknown option 'Foo'") {
		t.Errorf("Apply = %v", err)
	}
	if restarts != 0 || !tor.current().Equal(spec) {
		t.Errorf("%d restarts, state %+v", restarts, tor.current())
	}
}

func TestApplyThatTorDoesNotSurvive(t *testing.T) {
	restarts := 0
	spec := localSpec(t, "tor")
	tor := attached(t, &restarts, spec, exchange{"+LOADCONF", "close"})
	if err := tor.Apply(t.Context(), changed(spec)); err == nil {
		t.Error("Apply did not notice")
	}
	if restarts != 1 || !tor.current().Equal(spec) {
		t.Errorf("%d restarts, state %+v", restarts, tor.current())
	}
}

func TestApplyWithRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		status byte // of --verify-config
		want   bool
	}{"good": {0, true}, "bad": {1, false}} {
		t.Run(name, func(t *testing.T) {
			restarts := 0
			spec := localSpec(t, "tor")
			tor := attached(t, &restarts, spec)
			next := spec.Clone()
			next.Binary = fakeBinary(t, "0.4.9.11", tc.status)
			next.UID = uint32(os.Getuid()) // the fake binary is ours alone
			err := tor.replace(t.Context(), next)
			if (err == nil) != tc.want || (restarts == 1) != tc.want || tor.current().Equal(next) != tc.want {
				t.Errorf("replace = %v, %d restarts", err, restarts)
			}
			if !tc.want && !strings.Contains(err.Error(), "it is fake") {
				t.Errorf("the error does not say why: %v", err)
			}
		})
	}
}

func TestApplyOfNonsense(t *testing.T) {
	tor := New(Options{Log: slog.New(slog.DiscardHandler)})
	if err := tor.Apply(t.Context(), Spec{}); err == nil {
		t.Error("accepted")
	}
	spec := localSpec(t, "/nonexistent/tor")
	if err := tor.Apply(t.Context(), spec); !errors.Is(err, ErrNoTor) {
		t.Errorf("without a tor: %v", err)
	}
}

func TestServeWaitsForApply(t *testing.T) {
	tor := New(Options{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tor.Serve(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve = %v", err)
	}
}

// TestServeSaysWhyTorDoesNotStart runs a tor that ends at once.
func TestServeSaysWhyTorDoesNotStart(t *testing.T) {
	told := make(chan struct{}, 100)
	tor := New(Options{Log: slog.New(slog.DiscardHandler), Changed: func() { told <- struct{}{} }})
	spec := localSpec(t, fakeBinary(t, "0.4.9.11", 1))
	spec.UID = uint32(os.Getuid())
	tor.accept(spec)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- tor.Serve(ctx) }()
	for tor.Status().LastError == "" && ctx.Err() == nil {
		<-told
	}
	if s := tor.Status(); s.LastError != "tor ended (exit status 1): it is fake" || s.Running || s.PID != 0 || s.Version != "0.4.9.11" {
		t.Errorf("status %+v", s)
	}
	cancel()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve = %v", err)
	}
}

// TestBeginSubscribesFirst: asking for the state before the subscription could
// miss a change between the two.
func TestBeginSubscribesFirst(t *testing.T) {
	f := newFakeControl(t, []exchange{
		{"GETINFO status/bootstrap-phase", `250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=80 TAG=x SUMMARY="Almost"` + "\n250 OK"},
		{"GETINFO network-liveness", "250-network-liveness=up\n250 OK"},
		{"GETINFO status/circuit-established", "250-status/circuit-established=1\n250 OK"},
	}, []exchange{{"SETEVENTS " + eventNames, "250 OK"}})
	s := &session{}
	for _, c := range []**controller{&s.commands, &s.events} {
		var err error
		if *c, err = dialControl(t.Context(), f.socket, "", os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	defer s.close()
	changes := 0
	tr := newTracker(&changes)
	if err := s.begin(tr); err != nil {
		t.Fatal(err)
	}
	got := tr.snapshot()
	if !got.Running || got.Bootstrap != 80 || got.Summary != "Almost" || !got.Live || !got.Circuits {
		t.Errorf("status %+v", got)
	}
	if first := f.received()[0]; !strings.HasPrefix(first, "SETEVENTS") {
		t.Errorf("the first command was %q", first)
	}
}
