//go:build lab

package e2e

import (
	"strings"
	"time"

	"tunic/internal/lab/traffic"
)

// testIsolation: two devices never share a circuit, one device's connections
// do (L40).
func testIsolation(w *world) {
	circuits := map[string]string{}
	for _, c := range []struct {
		name string
		from traffic.Host
	}{{"phone", w.phone}, {"phone again", w.phone}, {"laptop", w.laptop}} {
		before := w.streams()
		conn, err := c.from.Dial(w.ctx, "tcp", web4+":80")
		if err != nil {
			w.Fatal(err)
		}
		defer conn.Close()
		w.eventually("a stream of the "+c.name, 20*time.Second, func() bool {
			for id, circuit := range w.streams() {
				if before[id] == "" {
					circuits[c.name] = circuit
				}
			}
			return circuits[c.name] != ""
		})
	}
	if circuits["phone"] != circuits["phone again"] {
		w.Errorf("two connections of the phone use the circuits %v: nothing can be concluded", circuits)
	}
	if circuits["phone"] == circuits["laptop"] {
		w.Errorf("phone and laptop share a circuit: %v", circuits)
	}
}

// streams asks the gateway's tor for its open streams to the web server: the
// circuit of each, or the Conflux set that the circuit is a leg of
// (control-spec, "circuit-status", "stream-status").
func (w *world) streams() map[string]string {
	w.Helper()
	found, sets := make(map[string]string), make(map[string]string)
	for line := range strings.Lines(w.ask(w.paths().TorRun(), "GETINFO stream-status", "GETINFO circuit-status")) {
		f := strings.Fields(strings.TrimPrefix(line, "250-stream-status="))
		if len(f) >= 4 && f[1] == "SUCCEEDED" && f[3] == web4+":80" {
			found[f[0]] = f[2]
			continue
		}
		for _, word := range f {
			if set, ok := strings.CutPrefix(word, "CONFLUX_ID="); ok {
				sets[strings.TrimPrefix(f[0], "250-circuit-status=")] = "set " + set
			}
		}
	}
	for stream, circuit := range found {
		if set, ok := sets[circuit]; ok {
			found[stream] = set
		}
	}
	return found
}
