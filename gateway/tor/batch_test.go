package tor

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/onion"
)

// crowded is a state with n onions.
func crowded(t *testing.T, n int) Spec {
	spec := keySpec(t)
	one := spec.Onions[0]
	spec.Onions = nil
	for i := range n {
		o := one
		o.Name, o.Clients = fmt.Sprintf("many%d", i), nil
		o.Dir = filepath.Join(filepath.Dir(one.Dir), o.Name)
		o.Address = strings.Repeat(string(rune('a'+i)), 56)
		spec.Onions = append(spec.Onions, o)
	}
	return spec
}

func TestShare(t *testing.T) {
	spec := crowded(t, 2*batch+3)
	has := map[string]bool{spec.Onions[5].Dir: true, "gone": true}
	for _, want := range []int{batch + 1, 2*batch + 1, 2*batch + 3, 2*batch + 3} {
		some := spec.share(has)
		if len(some.Onions) != want || !some.dirs()[spec.Onions[5].Dir] {
			t.Fatalf("%d onions, want %d", len(some.Onions), want)
		}
		has = some.dirs()
	}
	if len(spec.Onions) != 2*batch+3 {
		t.Error("the state itself has lost some")
	}
}

// TestGiveSome: the next onions come when the ones before are out, or after a
// while; those that nobody may find are not waited for.
func TestGiveSome(t *testing.T) {
	restarts := 0
	spec := crowded(t, 3*batch)
	spec.Onions[0].Clients = []onion.ClientKey{}
	tor := attached(t, &restarts, spec, exchange{"+LOADCONF", "250 OK"}, exchange{"+LOADCONF", "250 OK"})
	s := tor.running()
	s.gave(spec.share(nil))
	if tor.giveSome(t.Context(), s) || len(s.has) != batch {
		t.Errorf("before anything is out the process has %d onions", len(s.has))
	}
	tor.tracker.update(func(st *Status) {
		for _, o := range spec.Onions[1:batch] {
			*st.way(o.Address) = uploads{first: time.Now(), out: true}
		}
	})
	if tor.giveSome(t.Context(), s) || len(s.has) != 2*batch {
		t.Errorf("once they are out the process has %d onions", len(s.has))
	}
	if tor.giveSome(t.Context(), s) || len(s.has) != 2*batch {
		t.Errorf("at once the process has %d onions", len(s.has))
	}
	s.gaveAt = time.Now().Add(-batchWait)
	if tor.giveSome(t.Context(), s) || len(s.has) != 3*batch {
		t.Errorf("after a while the process has %d onions", len(s.has))
	}
	if !tor.giveSome(t.Context(), s) || restarts != 0 {
		t.Errorf("it is not done, or restarted %d times", restarts)
	}
}

// Apply gives a running process no more than a batch at a time.
func TestApplyManyOnions(t *testing.T) {
	restarts := 0
	spec := crowded(t, 3*batch)
	few := spec.Clone()
	few.Onions = few.Onions[:1]
	tor := attached(t, &restarts, few, exchange{"+LOADCONF", "250 OK"})
	s := tor.running()
	s.gave(few)
	if err := tor.Apply(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if len(s.has) != batch+1 || !tor.current().Equal(spec) || restarts != 0 {
		t.Errorf("the process has %d onions, %d are wanted, %d restarts", len(s.has), len(tor.current().Onions), restarts)
	}
}
