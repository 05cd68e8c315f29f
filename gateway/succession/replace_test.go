package succession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/health"
	"tunic/internal/native"
)

// heirKey names, in the environment of this test binary run as a heir, what it does.
const heirKey = "TUNIC_HEIR"

func TestMain(m *testing.M) {
	if how := os.Getenv(heirKey); how != "" {
		beHeir(how)
	}
	os.Exit(m.Run())
}

// beHeir is a new version that does something wrong after some steps.
func beHeir(how string) {
	ctx := context.Background()
	step, what, _ := strings.Cut(how, " ")
	fail := func(at string) {
		if step != at {
			return
		}
		switch what {
		case "exits":
			os.Exit(3)
		case "panics":
			panic("on purpose")
		case "hangs":
			time.Sleep(time.Minute)
		case "gives up":
		}
	}
	fail("start")
	h, err := NewHeir(ctx, os.NewFile(3, "heir"), func() { os.Exit(9) })
	if err != nil {
		os.Exit(8)
	}
	fail("link")
	if what == "gives up" {
		h.GiveUp(ctx, errors.New("it does not like it here"))
		os.Exit(1)
	}
	if what == "early" {
		_ = h.Works(ctx)
		os.Exit(7)
	}
	e, err := h.Take(ctx, "2")
	if err != nil || e.State.Version != "1" {
		os.Exit(6)
	}
	fail("take")
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", h.File("lock").Fd()))
	if err != nil || string(text) != "locked" {
		os.Exit(5)
	}
	if err := h.Works(ctx); err != nil {
		os.Exit(4)
	}
	os.Exit(0)
}

// daemon is an old one that writes down what it did.
type daemon struct {
	t    *testing.T
	lock *os.File

	handing func() // is called when it hands over; may be nil

	mu   sync.Mutex
	did  []string
	fail error
}

func (d *daemon) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did = append(d.did, what)
}

func (d *daemon) Hand(context.Context) (Estate, map[string]*os.File, error) {
	d.note("hand")
	if d.handing != nil {
		d.handing()
	}
	return Estate{State: State{Version: "1"}}, map[string]*os.File{"lock": d.lock}, d.fail
}
func (d *daemon) TakeBack(context.Context)       { d.note("take back") }
func (d *daemon) Leave(context.Context, int) int { d.note("leave"); return 3 }

func replace(t *testing.T, d *daemon, how string) (Result, error) {
	t.Helper()
	native.Require(t)
	f, err := os.CreateTemp(t.TempDir(), "lock")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("locked"); err != nil {
		t.Fatal(err)
	}
	d.t, d.lock = t, f
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), heirKey+"="+how)
	limit := time.Minute
	if how == "take hangs" {
		limit = 5 * time.Second // it has to get so far before
	} else if strings.HasSuffix(how, "hangs") {
		limit = time.Second
	}
	return Replace(t.Context(), cmd, d, limit)
}

func TestReplace(t *testing.T) {
	d := new(daemon)
	r, err := replace(t, d, "well")
	if err != nil || r.Version != "2" || r.Streams != 3 || !slices.Equal(d.did, []string{"hand", "leave"}) {
		t.Errorf("%+v, %v; it did %q", r, err, d.did)
	}
}

// TestBadHeirs: whatever a new version does wrong, and whenever, it is gone and the old
// daemon has everything again.
func TestBadHeirs(t *testing.T) {
	back := []string{"hand", "take back"}
	for how, want := range map[string]struct {
		did   []string
		words string
	}{
		"start exits":   {nil, "exit status 3"},
		"start panics":  {nil, "exit status 2"},
		"start hangs":   {nil, "did not work in time"},
		"link exits":    {nil, "exit status 3"},
		"link hangs":    {nil, "did not work in time"},
		"link gives up": {nil, "it does not like it here"},
		"link early":    {nil, "exit status 7"},
		"take exits":    {back, "exit status 3"},
		"take panics":   {back, "exit status 2"},
		"take hangs":    {back, "did not work in time"},
	} {
		d := new(daemon)
		_, err := replace(t, d, how)
		if err == nil || !strings.Contains(err.Error(), want.words) || !slices.Equal(d.did, want.did) {
			t.Errorf("%s: %v; it did %q, want %q", how, err, d.did, want.did)
		}
	}
}

// A daemon that cannot hand everything over takes back what it could.
func TestHandFails(t *testing.T) {
	d := &daemon{fail: errors.New("tor is being started")}
	if _, err := replace(t, d, "well"); err == nil || !slices.Equal(d.did, []string{"hand", "take back"}) {
		t.Errorf("%v; it did %q", err, d.did)
	}
}

// Who asks for an upgrade and goes away has changed nothing.
func TestReplaceIsInterrupted(t *testing.T) {
	native.Require(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := &daemon{t: t, lock: os.Stdin, handing: cancel}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), heirKey+"=take hangs")
	_, err := Replace(ctx, cmd, d, time.Minute)
	if !errors.Is(err, context.Canceled) || !slices.Equal(d.did, []string{"hand", "take back"}) {
		t.Errorf("%v; it did %q", err, d.did)
	}
}

func TestReplaceWithoutAProgram(t *testing.T) {
	d := new(daemon)
	if _, err := Replace(t.Context(), exec.Command("/does/not/exist"), d, time.Second); err == nil || len(d.did) > 0 {
		t.Errorf("%v; it did %q", err, d.did)
	}
}

func TestWorse(t *testing.T) {
	was := State{Open: true, Done: true, Faults: []Fault{{health.OnionElsewhere, "photos"}}}
	for name, c := range map[string]struct {
		now   State
		worse bool
	}{
		"the same":      {was, false},
		"better":        {State{Open: true, Done: true}, false},
		"closed":        {State{Done: true}, true},
		"not done":      {State{Open: true}, true},
		"another fault": {State{Open: true, Done: true, Faults: []Fault{{health.ServeDown, ""}}}, true},
		"another onion": {State{Open: true, Done: true, Faults: []Fault{{health.OnionElsewhere, "blog"}}}, true},
	} {
		if worse := was.Worse(c.now); (worse != "") != c.worse {
			t.Errorf("%s: %q", name, worse)
		}
	}
	if worse := (State{}).Worse(State{Open: true}); worse != "" {
		t.Errorf("more than before: %q", worse)
	}
}
