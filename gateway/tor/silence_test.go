package tor

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestCircuitsWithoutAnswers(t *testing.T) {
	const onion = "abc.onion:80"
	sent := func(id int) string { return fmt.Sprintf("STREAM %d SENTCONNECT 55 %s", id, onion) }
	answered := func(id int) string { return fmt.Sprintf("STREAM %d SUCCEEDED 55 %s", id, onion) }
	closed := func(id int) string { return fmt.Sprintf("STREAM %d CLOSED 55 %s REASON=DONE", id, onion) }
	moved := func(bytes int) string {
		return fmt.Sprintf("CIRC_BW ID=55 READ=%d WRITTEN=509 TIME=x DELIVERED_READ=5", bytes)
	}
	for name, c := range map[string]struct {
		lines []string
		want  []string
	}{
		"one that waits":                      {[]string{sent(1)}, []string{"55"}},
		"one that gave up early":              {[]string{sent(1), closed(1)}, []string{"55"}},
		"some that gave up":                   {[]string{sent(1), closed(1), sent(2), closed(2), sent(3)}, []string{"55"}},
		"answered":                            {[]string{sent(1), answered(1)}, nil},
		"answered and over":                   {[]string{sent(1), answered(1), closed(1)}, nil},
		"silent after an answer":              {[]string{sent(1), answered(1), closed(1), sent(2)}, []string{"55"}},
		"silent while something else is open": {[]string{sent(1), answered(1), sent(2)}, []string{"55"}},
		"a cell came, for whom is not known":  {[]string{sent(1), moved(509)}, []string{"55"}},
		"a cell came, and nobody asks":        {[]string{sent(1), closed(1), moved(509)}, nil},
		"no cell came":                        {[]string{sent(1), closed(1), moved(0)}, []string{"55"}},
		"a refusal is an answer": {[]string{sent(1),
			"STREAM 1 CLOSED 55 " + onion + " REASON=END REMOTE_REASON=CONNECTREFUSED"}, nil},
		"detached is none":           {[]string{sent(1), "STREAM 1 DETACHED 55 " + onion + " REASON=TIMEOUT"}, []string{"55"}},
		"no onion":                   {[]string{"STREAM 1 SENTCONNECT 55 example.org:80"}, nil},
		"what was not seen to begin": {[]string{answered(1), closed(1)}, nil},
		"twice the same":             {[]string{sent(1), sent(1), answered(1), answered(1), closed(1), sent(2)}, []string{"55"}},
		"what no tor says": {[]string{"STREAM", "STREAM 1 SENTCONNECT", "CIRC 1 2 3 4.onion:5", "CIRC_BW", "CIRC_BW ID=55",
			"CIRC_BW 55 1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a silences
				var got list
				for _, line := range c.lines {
					a.event(line, got.add)
				}
				time.Sleep(answerPatience - time.Second)
				synctest.Wait()
				if early := got.all(); early != nil {
					t.Errorf("%v were in doubt early", early)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got := got.all(); !slices.Equal(got, c.want) {
					t.Errorf("%v are in doubt, want %v", got, c.want)
				}
				a.reset()
			})
		})
	}
}

// What tor says settles a doubt, and as long as a question is open it comes again.
func TestDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a silences
		var doubts list
		for id := range 3 {
			a.event(fmt.Sprintf("STREAM %d SENTCONNECT 55 abc.onion:80", id), doubts.add)
		}
		wait := func(want int) {
			t.Helper()
			time.Sleep(answerPatience)
			synctest.Wait()
			if got := len(doubts.all()); got != want {
				t.Fatalf("%d doubts, want %d", got, want)
			}
		}
		wait(1)
		if a.check("55", onCircuit{answered: []string{"0", "1"}, waiting: []string{"2"}}) {
			t.Error("a circuit with answered streams is closed")
		}
		wait(2)
		if a.check("55", onCircuit{answered: []string{"0", "1", "2"}}) {
			t.Error("a circuit with answered streams is closed")
		}
		wait(2) // all is answered: they may be idle for as long as they want
		a.event("STREAM 3 SENTCONNECT 55 abc.onion:80", doubts.add)
		wait(3)
		if !a.check("55", onCircuit{waiting: []string{"3"}}) {
			t.Error("a circuit with one that waits stays")
		}
		wait(3)
	})
}

// tor is asked before the circuit is closed.
func TestDoubtAsksTor(t *testing.T) {
	status := func(lines string) exchange { return exchange{"GETINFO stream-status", lines + "\n250 OK"} }
	f := newFakeControl(t, []exchange{
		status("250-stream-status=7 SUCCEEDED 55 abc.onion:22"),
		status("250+stream-status=\n7 SUCCEEDED 54 abc.onion:22\n8 SENTCONNECT 55 abc.onion:22\n."),
		{"CLOSECIRCUIT 55", "250 OK"},
		status("250-stream-status="),
		{"CLOSECIRCUIT 56", "552 Unknown circuit \"56\""},
		{"GETINFO stream-status", "551 no"},
	})
	commands, err := dialControl(t.Context(), f.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	x := Tor{session: &session{commands: commands}, log: slog.New(slog.DiscardHandler)}
	for _, circuit := range []string{"55", "55", "56", "57"} {
		x.doubt(t.Context(), circuit)
	}
	new(Tor).doubt(t.Context(), "55") // without a process
}

// Nothing is remembered of what is over, nor of an earlier process.
func TestSilencesForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a silences
		silent := func(circuit string) { t.Errorf("circuit %s is closed", circuit) }
		for i := range 100 {
			for _, status := range []string{"SENTCONNECT", "SUCCEEDED", "CLOSED"} {
				a.event(fmt.Sprintf("STREAM %d %s %d abc.onion:80", i, status, i%7), silent)
			}
		}
		if len(a.streams) != 0 || len(a.circuits) != 0 {
			t.Errorf("%d streams and %d circuits are remembered", len(a.streams), len(a.circuits))
		}
		for i := range 2 * maxStreams {
			a.event(fmt.Sprintf("STREAM %d SENTCONNECT 1 abc.onion:80", i), silent)
		}
		if len(a.streams) != maxStreams {
			t.Errorf("%d streams are remembered", len(a.streams))
		}
		a.reset()
		time.Sleep(2 * answerPatience)
		if len(a.streams) != 0 || len(a.circuits) != 0 {
			t.Error("a new tor has circuits of the old one")
		}
	})
}

func FuzzSilences(f *testing.F) {
	for _, line := range []string{"STREAM 1 SENTCONNECT 55 abc.onion:80", "STREAM 9 SUCCEEDED 55 abc.onion:80",
		"STREAM 9 CLOSED 55 abc.onion:80 REASON=END"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var a silences
		defer a.reset()
		a.event("STREAM 9 SENTCONNECT 55 abc.onion:80", func(string) {})
		a.event(line, func(string) {})
		a.event("STREAM 9 CLOSED 55 abc.onion:80", func(string) {})
		if len(a.streams) > 1 || len(a.circuits) > 2 {
			t.Errorf("one line made %d streams and %d circuits", len(a.streams), len(a.circuits))
		}
	})
}
