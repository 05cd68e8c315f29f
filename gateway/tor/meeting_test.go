package tor

import (
	"log/slog"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const (
	asked  = "CIRC_MINOR 40 PURPOSE_CHANGED $A~a,$B~b BUILD_FLAGS=IS_INTERNAL,NEED_CAPACITY PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_ESTABLISHED_WAITING REND_QUERY=abc OLD_PURPOSE=HS_CLIENT_REND OLD_HS_STATE=HSCR_ESTABLISHED_IDLE"
	asked2 = "CIRC_MINOR 41 PURPOSE_CHANGED $A~a PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_ESTABLISHED_WAITING REND_QUERY=def"
	joined = "CIRC_MINOR 40 PURPOSE_CHANGED $A~a,$B~b PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_JOINED REND_QUERY=abc"
)

func TestMeetingsThatAreInVain(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  []string
	}{
		{[]string{asked}, []string{"40"}},
		{[]string{asked, asked}, []string{"40"}},
		{[]string{asked, joined}, nil},
		{[]string{asked, asked2, joined}, []string{"41"}},
		{[]string{joined, "CIRC_MINOR", "CIRC_MINOR 40", `CIRC_MINOR 40 PURPOSE_CHANGED "`, "CIRC_MINOR 7 PURPOSE_CHANGED PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_CONNECTING"}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m meetings
			var got []string
			for _, line := range c.lines {
				m.event(line, func(id string) { got = append(got, id) })
			}
			time.Sleep(meetingPatience - time.Second)
			synctest.Wait()
			if got != nil {
				t.Errorf("%q: %v were too late early", c.lines, got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if !slices.Equal(got, c.want) || len(m.waiting) != 0 {
				t.Errorf("%q: %v waited in vain, want %v; %d still wait", c.lines, got, c.want, len(m.waiting))
			}
		})
	}
}

func TestMeetingsOfAnEarlierTor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meetings
		m.event(asked, func(id string) { t.Errorf("circuit %s is of a tor that has ended", id) })
		m.reset()
		time.Sleep(2 * meetingPatience)
	})
}

// AskAnew closes what waits for that onion, once, and nothing else.
func TestAskAnew(t *testing.T) {
	f := newFakeControl(t, []exchange{{"CLOSECIRCUIT 40", "250 OK"}})
	commands, err := dialControl(t.Context(), f.socket, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	x := Tor{session: &session{commands: commands}, log: slog.New(slog.DiscardHandler)}
	defer x.meetings.reset()
	x.meetings.event(asked, func(string) {})
	x.meetings.event(asked2, func(string) {})
	for range 2 {
		x.AskAnew(t.Context(), "abc.onion")
	}
	if got := f.received(); len(got) == 0 || got[len(got)-1] != "CLOSECIRCUIT 40" || slices.Contains(got[:len(got)-1], "CLOSECIRCUIT 40") {
		t.Errorf("tor was told %q", got)
	}
	if len(x.meetings.waiting) != 1 {
		t.Errorf("%d circuits wait", len(x.meetings.waiting))
	}
	new(Tor).AskAnew(t.Context(), "abc.onion") // without a process
}

func FuzzMeetings(f *testing.F) {
	for _, line := range []string{asked, joined, "CIRC_MINOR 1 CANNIBALIZED"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var m meetings
		defer m.reset()
		m.event(asked, func(string) {})
		m.event(line, func(string) {})
		if len(m.waiting) > 2 {
			t.Errorf("one line made %d waits", len(m.waiting))
		}
	})
}
