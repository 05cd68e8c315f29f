package tor

import (
	"context"
	"strings"
	"sync"
	"time"
)

// answerPatience is how long an onion may leave a question without one cell in
// return. Its tor answers as soon as it has connected to what is behind it.
const answerPatience = 20 * time.Second

// silences notices circuits to onions on which nobody answers any more. The end of
// a circuit can be long on its way (see closeVisits), and a box that loses power
// says nothing at all; tor sends every new stream to that onion by the same
// circuit until then, and lets each wait for two minutes.
//
// What events say is a doubt and no more, since tor does not tell of everything: of
// the answer to a transparent stream it sends no SUCCEEDED. So each cell that comes
// back counts (CIRC_BW), and once none has come for answerPatience tor is asked
// who is there: see Tor.doubt. Which onion it is about is not remembered. The
// zero value is ready.
type silences struct {
	mu       sync.Mutex
	streams  map[string]*onionStream  // by number, those that were sent and have not ended
	circuits map[string]*onionCircuit // by number, those with a question
}

type onionStream struct {
	circuit  string
	answered bool
}

type onionCircuit struct {
	questions int         // streams that have not ended, and of whose answer nothing is known
	timer     *time.Timer // since the first question, or the last cell
}

// event takes a STREAM event (STREAM ID STATUS CIRCUIT TARGET KEY=VALUE...) or a
// CIRC_BW event (CIRC_BW ID=CIRCUIT READ=BYTES ...), of which there is one a second
// for each circuit that moves (control-spec). doubt is called with a circuit that
// may be of no use.
func (a *silences) event(line string, doubt func(circuit string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	head := strings.SplitN(line, " ", 6)
	switch {
	case head[0] == "CIRC_BW" && len(head) > 2:
		circuit, named := strings.CutPrefix(head[1], "ID=")
		if read, counted := strings.CutPrefix(head[2], "READ="); named && counted && read != "0" {
			a.heard(circuit)
		}
	case head[0] == "STREAM" && len(head) > 4:
		a.stream(head, doubt)
	}
}

func (a *silences) stream(head []string, doubt func(circuit string)) {
	id, status, circuit, target := head[1], head[2], head[3], head[4]
	s := a.streams[id]
	switch {
	case status == "SENTCONNECT" && s == nil && strings.Contains(target, ".onion:") && len(a.streams) < maxStreams:
		a.ask(id, circuit, doubt)
	case s == nil:
	case status == "SUCCEEDED":
		a.settle(s)
		a.heard(s.circuit)
	case status == "CLOSED", status == "FAILED", status == "DETACHED":
		delete(a.streams, id)
		a.settle(s)
		if len(head) == 6 && strings.Contains(head[5], "REASON=END") { // a refusal is an answer
			a.heard(s.circuit)
		}
	}
}

// ask notes that a stream was sent.
func (a *silences) ask(id, circuit string, doubt func(circuit string)) {
	if a.streams == nil {
		a.streams, a.circuits = make(map[string]*onionStream), make(map[string]*onionCircuit)
	}
	a.streams[id] = &onionStream{circuit: circuit}
	c := a.circuits[circuit]
	if c == nil {
		c = new(onionCircuit)
		c.timer = time.AfterFunc(answerPatience, func() {
			if a.has(circuit, c) {
				doubt(circuit)
			}
		})
		a.circuits[circuit] = c
	}
	c.questions++
}

// settle notes that there is nothing more to learn of a stream's answer.
func (a *silences) settle(s *onionStream) {
	if c := a.circuits[s.circuit]; c != nil && !s.answered {
		c.questions--
	}
	s.answered = true
}

// heard notes that a circuit works. It may have been another stream's cell: for
// those of whose answer nothing is known the time begins again.
func (a *silences) heard(circuit string) {
	switch c := a.circuits[circuit]; {
	case c == nil:
	case c.questions > 0:
		c.timer.Reset(answerPatience)
	default:
		a.drop(circuit)
	}
}

func (a *silences) has(circuit string, c *onionCircuit) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.circuits[circuit] == c
}

// lives notes which streams of a circuit were answered, as tor says.
func (a *silences) lives(circuit string, answered []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range answered {
		if s := a.streams[id]; s != nil && s.circuit == circuit {
			a.settle(s)
		}
	}
	a.heard(circuit)
}

// over forgets a circuit.
func (a *silences) over(circuit string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.streams {
		if s.circuit == circuit {
			s.answered = true // settled: a circuit of this number has no question any more
		}
	}
	a.drop(circuit)
}

func (a *silences) drop(circuit string) {
	if c := a.circuits[circuit]; c != nil {
		c.timer.Stop()
		delete(a.circuits, circuit)
	}
}

// reset forgets what an earlier process had.
func (a *silences) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.circuits {
		c.timer.Stop()
	}
	a.streams, a.circuits = nil, nil
}

// check takes who is on a circuit in doubt, and reports whether it is of no use: no
// stream on it was ever answered. An answered one may be idle for as long as its
// ends want.
func (a *silences) check(circuit string, on onCircuit) (useless bool) {
	if len(on.answered) > 0 {
		a.lives(circuit, on.answered)
		return false
	}
	a.over(circuit)
	return true
}

// doubt asks tor about a circuit on which a question was sent and no cell has come
// since, and closes it if it is of no use.
func (t *Tor) doubt(ctx context.Context, circuit string) {
	s := t.running()
	if s == nil {
		return // it ended with it
	}
	on, err := s.streamsOn(circuit)
	if err != nil {
		t.log.Debug("tor does not say who is on a circuit, which therefore stays", "error", err)
		t.silences.lives(circuit, nil) // until it is in doubt again
		return
	}
	if !t.silences.check(circuit, on) {
		return
	}
	if _, err := s.closeCircuits(ctx, []string{circuit}, 0); err != nil {
		t.log.Debug("a circuit that nobody answers on stays", "error", err)
	}
}
