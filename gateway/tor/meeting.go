package tor

import (
	"context"
	"strings"
	"sync"
	"time"
)

// What tor calls the circuit on which a visitor of an onion waits for it, and
// the state in which the onion has been asked and has not come yet
// (control-spec, "CIRC", PURPOSE and HS_STATE).
const (
	visitPurpose = "HS_CLIENT_REND"
	askedState   = "HSCR_ESTABLISHED_WAITING"
)

// meetingPatience is how long an onion that was asked may take to come. Its tor
// tries for 30 s and no longer (MAX_REND_TIMEOUT in tor's hs_circuit.h).
const meetingPatience = 30 * time.Second

// meetings are the circuits on which this tor, as a visitor, waits for an onion
// that was asked to come. An onion whose box was turned off just then never
// comes, and tor sends each further stream to it into the same wait, for minutes,
// also when the box is long back. So a wait that is in vain is ended by us: the
// streams that hang on it then ask anew. The zero value is ready.
type meetings struct {
	mu      sync.Mutex
	waiting map[string]meeting // by circuit
}

type meeting struct {
	onion string // without .onion
	timer *time.Timer
}

// event takes one event line: of the circuits that change their purpose or
// state, those count that wait. vain is called with one that has waited too long.
func (m *meetings) event(line string, vain func(circuit string)) {
	words, err := splitWords(line)
	if err != nil || len(words) < 3 || words[0] != "CIRC_MINOR" {
		return
	}
	id, args := words[1], keywords(words[3:])
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(id)
	if args["PURPOSE"] != visitPurpose || args["HS_STATE"] != askedState {
		return
	}
	if m.waiting == nil {
		m.waiting = make(map[string]meeting)
	}
	m.waiting[id] = meeting{args["REND_QUERY"], time.AfterFunc(meetingPatience, func() {
		if m.take(id) {
			vain(id)
		}
	})}
}

// end forgets a circuit, under m.mu.
func (m *meetings) end(id string) {
	if w, ok := m.waiting[id]; ok {
		w.timer.Stop()
		delete(m.waiting, id)
	}
}

// take forgets a circuit, and reports whether it was waiting.
func (m *meetings) take(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.waiting[id]
	m.end(id)
	return ok
}

// takeOnion forgets the circuits that wait for an onion, and returns them.
func (m *meetings) takeOnion(onion string) (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, w := range m.waiting {
		if w.onion == onion {
			ids = append(ids, id)
			m.end(id)
		}
	}
	return ids
}

// reset forgets what an earlier process had.
func (m *meetings) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.waiting {
		m.end(id)
	}
}

// AskAnew ends every wait for an onion, given as its host name: it is there
// again, and whom it was asked to meet before it does not know.
func (t *Tor) AskAnew(ctx context.Context, host string) {
	t.endWaits(ctx, t.meetings.takeOnion(strings.TrimSuffix(host, ".onion")))
}

func (t *Tor) endWaits(ctx context.Context, ids []string) {
	s := t.running()
	if s == nil {
		return // they ended with it
	}
	if _, err := s.closeCircuits(ctx, ids, 0); err != nil {
		t.log.Debug("a circuit that waits in vain stays", "error", err)
	}
}
