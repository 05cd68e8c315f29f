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

// meetingDoubt is after how long the onion's descriptor is fetched again. An
// introduction point that has not heard of the end of an onion's tor takes the
// question all the same, and while tor knows one that does it never asks the
// directories whether the onion has others by now.
const meetingDoubt = 3 * time.Second

// fetchTime is what a fetch may take before its result is counted on.
const fetchTime = 2 * time.Second

// meetings are the circuits on which this tor, as a visitor, waits for an onion
// that was asked to come. An onion whose box was turned off just then never
// comes, and tor sends each further stream to it into the same wait, for minutes,
// also when the box is long back. So a wait that is in vain is ended by us: the
// streams that hang on it then ask again. The zero value is ready.
type meetings struct {
	mu      sync.Mutex
	waiting map[string]meeting // by circuit
}

type meeting struct {
	onion       string // without .onion
	asked       time.Time
	fetched     time.Time // when it had the onion's descriptor fetched
	doubt, vain *time.Timer
}

// event takes one event line: of the circuits that change their purpose or
// state, those count that wait. doubt is called with the onion of one that waits
// for long, vain with one that has waited too long.
func (m *meetings) event(line string, doubt func(onion string), vain func(circuit string)) {
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
	onion := args["REND_QUERY"]
	m.waiting[id] = meeting{onion: onion, asked: time.Now(),
		doubt: time.AfterFunc(meetingDoubt, func() {
			if m.mayFetch(id) {
				doubt(onion)
			}
		}),
		vain: time.AfterFunc(meetingPatience, func() {
			if m.take(id) {
				vain(id)
			}
		})}
}

// mayFetch reports whether a circuit still waits, and none that waits for the same
// onion has just had its descriptor fetched: one is enough for all. tor gives
// circuits up without a word to us, so who has waited for longer says nothing.
func (m *meetings) mayFetch(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	this, ok := m.waiting[id]
	for _, w := range m.waiting {
		ok = ok && (w.onion != this.onion || time.Since(w.fetched) >= meetingDoubt)
	}
	if ok {
		this.fetched = time.Now()
		m.waiting[id] = this
	}
	return ok
}

// end forgets a circuit, under m.mu.
func (m *meetings) end(id string) {
	if w, ok := m.waiting[id]; ok {
		w.doubt.Stop()
		w.vain.Stop()
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

// takeOnion forgets the circuits that wait for an onion since before a moment,
// and returns them.
func (m *meetings) takeOnion(onion string, before time.Time) (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, w := range m.waiting {
		if w.onion == onion && w.asked.Before(before) {
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

// AskAgain fetches the descriptor of an onion, given as its host name, and then
// ends every wait for it: it is there again, at other introduction points, and
// whom it was asked to meet before it does not know.
func (t *Tor) AskAgain(ctx context.Context, host string) {
	onion, back := strings.TrimSuffix(host, ".onion"), time.Now()
	t.fetchDescriptor(onion)
	ctx = context.WithoutCancel(ctx)
	time.AfterFunc(fetchTime, func() { t.endWaits(ctx, t.meetings.takeOnion(onion, back)) })
}

// fetchDescriptor has tor fetch an onion's descriptor although it has one
// (control-spec, "HSFETCH"); a newer one replaces it.
func (t *Tor) fetchDescriptor(onion string) {
	s := t.running()
	if s == nil {
		return
	}
	if _, err := s.commands.command("HSFETCH " + onion); err != nil { // it may name the onion
		t.log.Debug("a descriptor is not fetched again")
	}
}

func (t *Tor) endWaits(ctx context.Context, ids []string) {
	s := t.running()
	if s == nil || len(ids) == 0 {
		return // they ended with it
	}
	if err := s.closeWaits(ctx, ids); err != nil {
		t.log.Debug("a circuit that waits in vain stays", "error", err)
	}
}
