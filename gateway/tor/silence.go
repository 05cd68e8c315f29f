package tor

import (
	"strings"
	"sync"
	"time"
)

// answerPatience is how long an onion may leave every stream on a circuit
// without an answer. Its tor answers as soon as it has connected to what is
// behind the onion.
const answerPatience = 20 * time.Second

// silences notices circuits to onions on which nobody answers any more. The end of
// a circuit can be long on its way (see closeVisits), and a box that loses power
// says nothing at all; tor sends every new stream to that onion by the same
// circuit until then, and lets each wait for two minutes. So a circuit without
// an answer, on which nothing else is open, is closed by us, and the streams get
// another. Which onion it is about is not remembered. The zero value is ready.
type silences struct {
	mu       sync.Mutex
	streams  map[string]*onionStream  // by number, those that were sent and have not ended
	circuits map[string]*onionCircuit // by number, those with one of them, or with a question
}

type onionStream struct {
	circuit  string
	answered bool
}

type onionCircuit struct {
	streams int         // that have not ended
	open    int         // those of them that were answered
	timer   *time.Timer // runs since the first question after the last answer; nil: all is answered
}

// event takes a STREAM event (control-spec, "STREAM"): STREAM ID STATUS
// CIRCUIT TARGET KEY=VALUE... silent is called with a circuit that is of no use.
func (a *silences) event(line string, silent func(circuit string)) {
	head := strings.SplitN(line, " ", 6)
	if len(head) < 5 || head[0] != "STREAM" {
		return
	}
	id, status, circuit, target := head[1], head[2], head[3], head[4]
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.streams[id]
	switch {
	case status == "SENTCONNECT" && s == nil && strings.Contains(target, ".onion:") && len(a.streams) < maxStreams:
		a.ask(id, circuit, silent)
	case s == nil:
	case status == "SUCCEEDED" && !s.answered:
		s.answered = true
		a.circuits[s.circuit].open++
		a.heard(s.circuit)
	case status == "CLOSED", status == "FAILED", status == "DETACHED":
		delete(a.streams, id)
		a.circuits[s.circuit].streams--
		if s.answered {
			a.circuits[s.circuit].open--
		} else if len(head) == 6 && strings.Contains(head[5], "REASON=END") { // a refusal is an answer
			a.heard(s.circuit)
		}
		a.tidy(s.circuit)
	}
}

// ask notes that a stream was sent.
func (a *silences) ask(id, circuit string, silent func(circuit string)) {
	if a.streams == nil {
		a.streams, a.circuits = make(map[string]*onionStream), make(map[string]*onionCircuit)
	}
	a.streams[id] = &onionStream{circuit: circuit}
	c := a.circuits[circuit]
	if c == nil {
		c = new(onionCircuit)
		a.circuits[circuit] = c
	}
	c.streams++
	if c.timer == nil {
		c.timer = time.AfterFunc(answerPatience, func() {
			if a.late(circuit, c) {
				silent(circuit)
			}
		})
	}
}

// heard notes that a circuit works.
func (a *silences) heard(circuit string) {
	if c := a.circuits[circuit]; c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// late reports whether a circuit whose time is over is of no use to anybody.
func (a *silences) late(circuit string, c *onionCircuit) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.circuits[circuit] != c || c.timer == nil {
		return false // the answer came just now
	}
	c.timer = nil
	useless := c.open == 0
	a.tidy(circuit)
	return useless
}

// tidy forgets a circuit of which there is nothing to know.
func (a *silences) tidy(circuit string) {
	if c := a.circuits[circuit]; c.streams == 0 && c.timer == nil {
		delete(a.circuits, circuit)
	}
}

// reset forgets what an earlier process had.
func (a *silences) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.circuits {
		if c.timer != nil {
			c.timer.Stop()
		}
	}
	a.streams, a.circuits = nil, nil
}
