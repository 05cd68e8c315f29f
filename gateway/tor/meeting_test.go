package tor

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	asked = "CIRC_MINOR 40 PURPOSE_CHANGED $A~a,$B~b BUILD_FLAGS=IS_INTERNAL,NEED_CAPACITY PURPOSE=HS_CLIENT_REND " +
		"HS_STATE=HSCR_ESTABLISHED_WAITING REND_QUERY=abc OLD_PURPOSE=HS_CLIENT_REND OLD_HS_STATE=HSCR_ESTABLISHED_IDLE"
	asked2 = "CIRC_MINOR 41 PURPOSE_CHANGED $A~a PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_ESTABLISHED_WAITING REND_QUERY=def"
	joined = "CIRC_MINOR 40 PURPOSE_CHANGED $A~a,$B~b PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_JOINED REND_QUERY=abc"
)

// As circuit-status has them.
const (
	waitingNow = "40 BUILT $A~a,$B~b BUILD_FLAGS=IS_INTERNAL PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_ESTABLISHED_WAITING REND_QUERY=abc"
	joinedNow  = "42 BUILT $A~a,$B~b BUILD_FLAGS=IS_INTERNAL PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_JOINED REND_QUERY=abc"
)

// list is what timers have said.
type list struct {
	mu   sync.Mutex
	said []string
}

func (l *list) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, s)
}

func (l *list) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.said)
}

func TestMeetingsThatAreInVain(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  []string

		doubted []string
	}{
		{[]string{asked}, []string{"40"}, []string{"abc"}},
		{[]string{asked, asked}, []string{"40"}, []string{"abc"}},
		{[]string{asked, joined}, nil, nil},
		{[]string{asked, asked2, joined}, []string{"41"}, []string{"def"}},
		{[]string{joined, "CIRC_MINOR", "CIRC_MINOR 40", `CIRC_MINOR 40 PURPOSE_CHANGED "`,
			"CIRC_MINOR 7 PURPOSE_CHANGED PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_CONNECTING"}, nil, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m meetings
			var got, doubted list
			for _, line := range c.lines {
				m.event(line, doubted.add, got.add)
			}
			time.Sleep(meetingDoubt - time.Second)
			synctest.Wait()
			if early := doubted.all(); early != nil {
				t.Errorf("%q: %v were doubted too early", c.lines, early)
			}
			time.Sleep(meetingPatience - meetingDoubt)
			synctest.Wait()
			if !slices.Equal(doubted.all(), c.doubted) {
				t.Errorf("%q: %v were doubted, want %v", c.lines, doubted.all(), c.doubted)
			}
			if early := got.all(); early != nil {
				t.Errorf("%q: %v were too late early", c.lines, early)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if !slices.Equal(got.all(), c.want) || len(m.waiting) != 0 {
				t.Errorf("%q: %v waited in vain, want %v; %d still wait", c.lines, got.all(), c.want, len(m.waiting))
			}
		})
	}
}

func TestMeetingsOfAnEarlierTor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meetings
		m.event(asked, func(string) {}, func(id string) { t.Errorf("circuit %s is of a tor that has ended", id) })
		m.reset()
		time.Sleep(2 * meetingPatience)
	})
}

// One descriptor is enough for all who wait for an onion.
func TestOneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meetings
		defer m.reset()
		var doubted list
		for _, id := range []string{"40", "50", "60"} {
			m.event(strings.Replace(asked, "40", id, 1), doubted.add, func(string) {})
			time.Sleep(time.Second)
		}
		time.Sleep(meetingDoubt)
		synctest.Wait()
		if len(doubted.all()) != 1 {
			t.Errorf("fetched %d times", len(doubted.all()))
		}

		// The others may be long given up; what was fetched then may be old now.
		m.event(strings.Replace(asked, "40", "70", 1), doubted.add, func(string) {})
		time.Sleep(meetingDoubt)
		synctest.Wait()
		if len(doubted.all()) != 2 {
			t.Errorf("fetched %d times, want 2", len(doubted.all()))
		}
	})
}

// AskAgain fetches the descriptor, and closes what waits for that onion, once, and
// nothing else.
func TestAskAnew(t *testing.T) {
	f := newFakeControl(t, []exchange{{"HSFETCH abc", "250 OK"}, {"HSFETCH abc", "250 OK"},
		{"GETINFO circuit-status", "250+circuit-status=\n" + waitingNow + "\n41 BUILT PURPOSE=GENERAL\n.\n250 OK"},
		{"CLOSECIRCUIT 40 IfUnused", "250 OK"}})
	commands, err := dialControl(t.Context(), f.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	x := Tor{session: &session{commands: commands}, log: slog.New(slog.DiscardHandler)}
	defer x.meetings.reset()
	x.meetings.event(asked, func(string) {}, func(string) {})
	x.meetings.event(asked2, func(string) {}, func(string) {})
	for range 2 {
		x.AskAgain(t.Context(), "abc.onion")
	}
	time.Sleep(fetchTime + time.Second)
	got := f.received()
	if n := len(got); n < 4 ||
		!slices.Equal(got[n-4:], []string{"HSFETCH abc", "HSFETCH abc", "GETINFO circuit-status", "CLOSECIRCUIT 40 IfUnused"}) {
		t.Errorf("tor was told %q", got)
	}
	x.meetings.mu.Lock()
	defer x.meetings.mu.Unlock()
	if _, waits := x.meetings.waiting["41"]; !waits || len(x.meetings.waiting) != 1 {
		t.Errorf("%d circuits wait", len(x.meetings.waiting))
	}
}

func TestAskAnewWithoutAProcess(t *testing.T) { new(Tor).AskAgain(t.Context(), "abc.onion") }

// A circuit that an onion has come to by now, or that is gone, is not closed.
func TestWaitsAreAskedFor(t *testing.T) {
	f := newFakeControl(t, []exchange{
		{"GETINFO circuit-status", "250+circuit-status=\n" + waitingNow + "\n" + joinedNow + "\n\"\n.\n250 OK"},
		{"CLOSECIRCUIT 40 IfUnused", "250 OK"},
		{"GETINFO circuit-status", "551 no"},
	})
	commands, err := dialControl(t.Context(), f.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	x := Tor{session: &session{commands: commands}, log: slog.New(slog.DiscardHandler)}
	for _, ids := range [][]string{{"40", "42", "43"}, nil, {"40"}} {
		x.endWaits(t.Context(), ids)
	}
}

func FuzzMeetings(f *testing.F) {
	for _, line := range []string{asked, joined, "CIRC_MINOR 1 CANNIBALIZED"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var m meetings
		defer m.reset()
		m.event(asked, func(string) {}, func(string) {})
		m.event(line, func(string) {}, func(string) {})
		if len(m.waiting) > 2 {
			t.Errorf("one line made %d waits", len(m.waiting))
		}
	})
}
