package away

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/onion"
)

// A hundred boxes that are away are dialled a few at a time, and each less and less often.
func TestFewAtATimeAndSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var now, most, total, lastHour int
		begin, last := time.Now(), time.Now()
		dial := func() error {
			mu.Lock()
			now, total = now+1, total+1
			most = max(most, now)
			if total > 200 && time.Since(last) < awayEvery { // all are known to be away by then
				t.Errorf("dial %d of boxes that are away begins %v after the one before", total, time.Since(last))
			}
			last = time.Now()
			if time.Since(begin) > 23*time.Hour {
				lastHour++
			}
			mu.Unlock()
			time.Sleep(7 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return io.EOF
		}
		var all sync.WaitGroup
		for i := range 100 {
			who := onion.Address(fmt.Sprint(i))
			all.Go(func() {
				for ctx.Err() == nil {
					if err := g.Dial(ctx, who, dial); err == nil {
						t.Error("nobody is there")
					}
					select {
					case <-time.After(g.Pause(who)):
					case <-ctx.Done():
					}
				}
			})
		}
		time.Sleep(24 * time.Hour)
		cancel()
		all.Wait()
		if most != Places {
			t.Errorf("%d were dialled at a time, want %d", most, Places)
		}
		if lastHour > 100*60/10 || lastHour < 100*60/20 { // each after 15 minutes, a quarter more or less, and the line
			t.Errorf("in the last hour there were %d dials of %d", lastHour, total)
		}
	})
}

// While no box is reached at all, those that are away are dialled less and less often, whichever
// it is; once one is reached the others follow at once.
func TestSeldomWhileAllAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var dials []time.Time
		back := false
		dial := func() error {
			mu.Lock()
			defer mu.Unlock()
			dials = append(dials, time.Now())
			if back {
				return nil
			}
			return io.EOF
		}
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				who := onion.Address(fmt.Sprint(i))
				for ctx.Err() == nil && g.Dial(ctx, who, dial) != nil {
					select {
					case <-time.After(min(g.Pause(who), 2*time.Minute)): // one that has invited us
					case <-ctx.Done():
					}
				}
			})
		}
		in := func(d time.Duration) (n int) {
			begin := time.Now()
			time.Sleep(d)
			mu.Lock()
			defer mu.Unlock()
			for _, at := range dials {
				if at.After(begin) {
					n++
				}
			}
			return n
		}
		time.Sleep(10 * time.Second) // each was dialled
		if n := in(40 * time.Second); n < 35 {
			t.Errorf("%d dials in the first forty seconds, want one a second", n)
		}
		time.Sleep(4 * time.Minute)
		if n, most := in(5*time.Minute), int(5*time.Minute/awayMost)+1; n > most || n < most/2 {
			t.Errorf("%d dials in five minutes in which nobody is there, want about %d", n, most)
		}
		mu.Lock()
		back = true
		mu.Unlock()
		if n := in(2 * time.Minute); n != 50 {
			t.Errorf("%d of 50 boxes that came back were reached within two minutes", n)
		}
		cancel()
		all.Wait()
	})
}

// Whoever waits for a box that is away is woken at the same moments as who dials it: each moment
// costs the processor as much as a dial.
func TestWaitsEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		woken, between := 0, 0 // since all pauses are of the time in which nobody was reached
		wakes := func() {
			mu.Lock()
			defer mu.Unlock()
			if since := time.Since(g.begin); since > time.Hour/2 && ctx.Err() == nil {
				woken++
				if since%awayMost != 0 {
					between++
				}
			}
		}
		var all sync.WaitGroup
		time.Sleep(300 * time.Millisecond) // it begins between two of those moments
		for i := range 200 {
			all.Go(func() {
				who := onion.Address(fmt.Sprint(i))
				for ctx.Err() == nil {
					_ = g.Dial(ctx, who, func() error {
						wakes()
						time.Sleep(700 * time.Millisecond)
						return io.EOF
					})
					select {
					case <-time.After(g.Pause(who)):
						wakes()
					case <-ctx.Done():
					}
				}
			})
		}
		time.Sleep(90 * time.Minute)
		cancel()
		all.Wait()
		if woken < 50 || between > 0 {
			t.Errorf("%d were woken, %d of them at a moment of their own", woken, between)
		}
	})
}

// Who was there last does not wait behind those who are away, nor who has not been away
// for long behind those who have.
func TestThoseWhoWereThereGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		fails := func() error { return io.EOF }
		for i, failures := range []int{2, 1, 3} {
			for range failures {
				_ = g.Dial(t.Context(), onion.Address(fmt.Sprint("away", i)), fails)
			}
		}
		hold := make(chan struct{})
		for i := range Places {
			go func() { _ = g.Dial(t.Context(), onion.Address(fmt.Sprint(i)), func() error { <-hold; return nil }) }()
		}
		synctest.Wait()
		var mu sync.Mutex
		var order []string
		for _, who := range []string{"away0", "away1", "away2", "there"} {
			go func() {
				_ = g.Dial(t.Context(), onion.Address(who), func() error {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, who)
					return nil
				})
			}()
			synctest.Wait()
		}
		hold <- struct{}{}
		time.Sleep(10 * awayEvery)
		synctest.Wait()
		if want := []string{"there", "away1", "away0", "away2"}; !slices.Equal(order, want) {
			t.Errorf("the order was %v, want %v", order, want)
		}
		close(hold)
	})
}

// Who has called us does not wait in the line of those who are away, though its own dial
// came into it when it was.
func TestBackFromTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		var all sync.WaitGroup
		dialAll := func(dial func(who string) error) {
			for i := range 30 {
				who := fmt.Sprint(i)
				all.Go(func() { _ = g.Dial(t.Context(), onion.Address(who), func() error { return dial(who) }) })
				synctest.Wait()
			}
		}
		for range 10 { // for minutes nobody is there
			dialAll(func(string) error { return io.EOF })
			all.Wait()
		}
		var reached time.Time
		begin := time.Now()
		dialAll(func(who string) error {
			if who != "29" {
				return io.EOF
			}
			reached = time.Now()
			return nil
		})
		time.Sleep(awayMost / 2)
		if !g.Back("29") {
			t.Error("it was not thought away")
		}
		all.Wait()
		if wait := reached.Sub(begin); wait > awayMost {
			t.Errorf("it was dialled after %v", wait)
		}
	})
}

// Two who want the same box make one dial, of which the other learns that it is in vain.
func TestOneDialForABox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		result := make(chan error)
		dials := 0
		dial := func() error { dials++; return <-result }
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- g.Dial(t.Context(), "a", dial) }()
		synctest.Wait()
		go func() { second <- g.Dial(t.Context(), "a", dial) }()
		synctest.Wait()
		result <- io.EOF
		if a, b := <-first, <-second; !errors.Is(a, io.EOF) || !errors.Is(b, ErrAway) || dials != 1 || !g.Away("a") {
			t.Errorf("%v and %v after %d dials", a, b, dials)
		}
		go func() { first <- g.Dial(t.Context(), "a", dial) }()
		synctest.Wait()
		go func() { second <- g.Dial(t.Context(), "a", dial) }()
		synctest.Wait()
		result <- nil // it is there, so each gets a connection of its own
		result <- nil
		if a, b := <-first, <-second; a != nil || b != nil || dials != 3 || g.Away("a") || len(g.boxes) != 0 {
			t.Errorf("%v and %v after %d dials, known %v", a, b, dials, g.boxes)
		}
	})
}

// What is called off says nothing of the box, and leaves its place and its turn.
func TestCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		hold := make(chan struct{})
		for i := range Places {
			go func() { _ = g.Dial(t.Context(), onion.Address(fmt.Sprint(i)), func() error { <-hold; return nil }) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		got, other := make(chan error, 1), make(chan error, 1)
		go func() { got <- g.Dial(ctx, "a", func() error { return io.EOF }) }()
		synctest.Wait()
		go func() { other <- g.Dial(t.Context(), "a", func() error { return nil }) }()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) || g.Away("a") {
			t.Errorf("%v, away: %v", err, g.Away("a"))
		}
		close(hold)
		if err := <-other; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if g.taken != 0 || len(g.line) != 0 || len(g.boxes) != 0 {
			t.Errorf("left: %d places, %d in the line, %v", g.taken, len(g.line), g.boxes)
		}
	})
}

// A reason ends the pause, and who is no friend any more is forgotten.
func TestReasons(t *testing.T) { synctest.Test(t, reasons) }

func reasons(t *testing.T) {
	g := New()
	if g.Back("a") {
		t.Error("a box of which nothing is known was thought away")
	}
	for range 20 {
		_ = g.Dial(t.Context(), "a", func() error { return io.EOF })
	}
	if p := g.Pause("a"); p < lastPause/2 || p > lastPause*5/4 {
		t.Errorf("after 20 failures the pause is %v", p)
	}
	if !g.Back("a") || g.Pause("a") != 0 || g.Away("a") {
		t.Errorf("after it has called the pause is %v", g.Pause("a"))
	}
	_ = g.Dial(t.Context(), "b", func() error { return io.EOF })
	if p := g.Pause("b"); p > firstPause*5/4+awayEvery {
		t.Errorf("after one failure the pause is %v", p)
	}
	g.Keep(func(who onion.Address) bool { return who == "b" })
	if len(g.boxes) != 1 || g.Pause("b") == 0 {
		t.Errorf("known: %v", g.boxes)
	}
	fails := func() error { return io.EOF }
	_ = g.Dial(t.Context(), "c", fails)
	for i, want := range []bool{true, false, true, false, false, true, false} { // a call each 45 seconds, after each a dial in vain
		if got := g.Called("c"); got != want {
			t.Errorf("call %d of a box that no dial reaches is a reason to dial it: %v, want %v", i, got, want)
		}
		_ = g.Dial(t.Context(), "c", fails)
		time.Sleep(callEvery * 3 / 4)
	}
	_ = g.Dial(t.Context(), "c", func() error { return nil })
	_ = g.Dial(t.Context(), "c", fails)
	if !g.Called("c") {
		t.Error("a box that was reached since has to wait with its call")
	}
}

// A box that calls while a dial of it hangs is dialled again at once when that fails, and by who waits
// for that dial too; not so if it has called before the dial had its turn.
func TestCallDuringADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		result := make(chan error)
		got, other := make(chan error, 1), make(chan error, 1)
		dial := func(to chan<- error) {
			go func() { to <- g.Dial(t.Context(), "a", func() error { return <-result }) }()
			synctest.Wait()
		}
		dial(got)
		dial(other)
		if g.Called("a") {
			t.Error("a box that is dialled for the first time was thought away")
		}
		result <- io.EOF
		<-got
		if g.Away("a") || g.Pause("a") != 0 {
			t.Errorf("it has called during the dial, and rests for %v", g.Pause("a"))
		}
		result <- io.EOF // of the other, which was told that the first was in vain
		if err := <-other; !errors.Is(err, io.EOF) || g.Pause("a") == 0 {
			t.Errorf("%v, and it rests for %v after a dial during which it has not called", err, g.Pause("a"))
		}
		for range 2 { // the second is of a box that is away, so that the next one waits in the line
			_ = g.Dial(t.Context(), "b", func() error { return io.EOF })
		}
		dial(got)
		g.Back("a")
		synctest.Wait()
		result <- io.EOF
		if <-got; !g.Away("a") {
			t.Error("a call from before the dial counts as one during it")
		}
	})
}

// However many boxes call us all the time and let each dial hang, one that is away and cannot call is dialled.
func TestCallersLeavePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 4 * Places {
			who := onion.Address(fmt.Sprint("hangs", i))
			all.Go(func() {
				for ctx.Err() == nil {
					_ = g.Dial(ctx, who, func() error { time.Sleep(28 * time.Second); return io.EOF })
					for ctx.Err() == nil && g.Pause(who) > 0 {
						time.Sleep(time.Second) // it calls each second
						g.Called(who)
					}
				}
			})
		}
		fails := func() error { return io.EOF }
		_ = g.Dial(ctx, "away", fails)
		time.Sleep(time.Hour)
		begin := time.Now()
		waiting, over := context.WithTimeout(ctx, 3*time.Hour)
		defer over()
		if err := g.Dial(waiting, "away", fails); !errors.Is(err, io.EOF) || time.Since(begin) > 15*time.Minute {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		cancel()
		all.Wait()
	})
}

// Boxes that there is a reason to dial all the time, and that let each dial hang, hold no place of those
// that were there last.
func TestCallersWhoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var dials atomic.Int64
		for i := range 2 * Places {
			who := onion.Address(fmt.Sprint("hangs", i))
			hang := func() error { dials.Add(1); time.Sleep(28 * time.Second); return io.EOF }
			all.Go(func() {
				for ctx.Err() == nil {
					_ = g.Dial(ctx, who, hang)
					for ctx.Err() == nil && g.Pause(who) > 0 {
						time.Sleep(time.Second)
						g.Back(who)
					}
				}
			})
		}
		time.Sleep(5 * time.Minute)
		dials.Store(0)
		for i := range 100 {
			begin := time.Now()
			_ = g.Dial(t.Context(), onion.Address(fmt.Sprint("there", i)), func() error { return nil })
			if wait := time.Since(begin); wait > 0 {
				t.Fatalf("dial %d of a box that is there waits %v", i, wait)
			}
			time.Sleep(6 * time.Second)
		}
		if n := dials.Load(); n < 60 {
			t.Errorf("%d dials of boxes that are away in ten minutes, want as many as there are places for", n)
		}
		cancel()
		all.Wait()
		if g.taken != 0 || g.doubt != 0 {
			t.Errorf("left: %d places, %d of them in doubt", g.taken, g.doubt)
		}
	})
}
