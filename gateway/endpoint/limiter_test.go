package endpoint

import (
	"sync"
	"testing"
)

func TestLimiter(t *testing.T) {
	tests := []struct {
		name   string
		limits Limits
		ids    []string // acquired in this order
		want   []bool
	}{
		{"none", Limits{}, []string{"a", "a", "", "b"}, []bool{true, true, true, true}},
		{"total", Limits{MaxConns: 2}, []string{"a", "b", "c", ""}, []bool{true, true, false, false}},
		{"per visitor", Limits{MaxPerVisitor: 1}, []string{"a", "b", "a", "b", "c"}, []bool{true, true, false, false, true}},
		{"both", Limits{MaxConns: 3, MaxPerVisitor: 2}, []string{"a", "a", "a", "b", "c"}, []bool{true, true, false, true, false}},
		{"unknown visitors share no limit", Limits{MaxPerVisitor: 1}, []string{"", "", "a"}, []bool{true, true, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLimiter(tt.limits)
			var refused uint64
			for i, id := range tt.ids {
				release, ok := l.Enter(id, nil)
				if ok != tt.want[i] || (release != nil) != ok {
					t.Errorf("acquire %d of %q = %v, release set: %v; want %v", i, id, ok, release != nil, tt.want[i])
				}
				if !ok {
					refused++
				}
			}
			want := Stats{Active: len(tt.ids) - int(refused), Accepted: uint64(len(tt.ids)) - refused, Refused: refused}
			if got := l.Stats(); got != want {
				t.Errorf("Stats() = %+v, want %+v", got, want)
			}
		})
	}
}

func TestLimiterRelease(t *testing.T) {
	l := NewLimiter(Limits{MaxConns: 2, MaxPerVisitor: 1})
	release, _ := l.Enter("a", nil)
	if _, ok := l.Enter("b", nil); !ok {
		t.Fatal("no room for a second visitor")
	}
	release()
	release() // must not make room twice
	if _, ok := l.Enter("a", nil); !ok {
		t.Error("no room after release")
	}
	if _, ok := l.Enter("c", nil); ok {
		t.Error("a second call of release made room")
	}
}

func TestLimiterForgetsVisitors(t *testing.T) {
	l := NewLimiter(Limits{MaxPerVisitor: 1})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if release, ok := l.Enter(string(rune('a'+i%26)), nil); ok {
				release()
			}
		})
	}
	wg.Wait()
	if got := l.Stats(); got.Active != 0 || got.Accepted+got.Refused != 100 {
		t.Errorf("Stats() = %+v, want none active of 100", got)
	}
	if n := l.share.Open(); n != 0 {
		t.Errorf("%d places are taken after all left", n)
	}
}

// A visitor who takes all that there is makes room for twenty others.
func TestLimiterIsFair(t *testing.T) {
	l := NewLimiter(Limits{MaxConns: 64, MaxPerVisitor: 64})
	cut := 0
	for range 64 {
		l.Enter("greedy", func() { cut++ })
	}
	for i := range 20 {
		if _, ok := l.Enter(string(rune('a'+i)), func() { t.Error("an ordinary visitor was cut") }); !ok {
			t.Errorf("ordinary visitor %d was refused", i)
		}
	}
	if got := l.Stats(); cut != 20 || got.Active != 64 {
		t.Errorf("%d of the greedy visitor's were cut, %+v", cut, got)
	}
}
