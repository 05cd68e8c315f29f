package tor

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// play gives the events that tor 0.4.9.11 sent in the lab, each at its time, of one
// way into tor: testdata/streams. What they name is shortened, KEY is the onion.
// They were recorded with STREAM, CIRC_MINOR, CIRC_BW and CIRC subscribed.
func play(t *testing.T, name string, event func(line string)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/streams", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for line := range strings.Lines(string(text)) {
		at, line, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseFloat(at, 64)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(begin.Add(time.Duration(seconds * float64(time.Second)))))
		event(line)
	}
}

// A circuit is closed where tor, asked, knows no stream on it that was answered. The
// answers of stream-status were recorded too: they were the same all the time.
func TestRecordedStreams(t *testing.T) {
	for _, c := range []struct {
		name   string
		status []string // what tor said
		want   []string // what is closed
	}{
		// 46 idle for 47 s, 51 a line a second by another name, others come and go
		{"transparent", []string{"46 SUCCEEDED 35 KEY.onion:22", "51 SUCCEEDED 35 KEY.onion:22"}, nil},
		// one that came and went, a port that is not there, and one more after a while
		{"refused", []string{"78 SUCCEEDED 61 KEY.onion:22"}, nil},
		{"socks", []string{"75 SUCCEEDED 49 KEY.onion:22"}, nil}, // idle for 30 s
		{"box", nil, nil}, // its calls to its own onions
		// 97 was answered and ended; then the onion's box lost its uplink
		{"dark", []string{"101 SENTCONNECT 35 KEY.onion:22"}, []string{"35"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a silences
				var closed list
				doubt := func(circuit string) {
					if a.check(circuit, streamsIn(c.status, circuit)) {
						closed.add(circuit)
					}
				}
				play(t, c.name, func(line string) { a.event(line, doubt) })
				time.Sleep(2 * answerPatience)
				synctest.Wait()
				if got := closed.all(); !slices.Equal(got, c.want) {
					t.Errorf("%v closed, want %v", got, c.want)
				}
				if len(a.streams) != 0 || len(a.circuits) != 0 {
					t.Errorf("%d streams and %d circuits are remembered", len(a.streams), len(a.circuits))
				}
			})
		})
	}
}

// Each way in tells which device it is of, and none looks like a wait in vain.
func TestRecordedWays(t *testing.T) {
	for name, want := range map[string]string{
		"transparent": "fd78::10 35", "refused": "fd78::10 61", "dark": "fd78::10 35", "socks": "192.168.78.10 49", "box": "",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var u users
				var m meetings
				var said list
				play(t, name, func(line string) {
					u.event(line, time.Now())
					m.event(line, said.add, said.add)
				})
				time.Sleep(2 * meetingPatience)
				synctest.Wait()
				var got []string
				for id, use := range u.used {
					for _, d := range use.devices {
						got = append(got, d.String()+" "+id)
					}
				}
				if strings.Join(got, ",") != want {
					t.Errorf("used by %q, want %q", got, want)
				}
				if waits := said.all(); waits != nil {
					t.Errorf("a wait for %v", waits)
				}
			})
		})
	}
}
