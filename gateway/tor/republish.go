package tor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What tor calls a circuit on which visitors ask for one of our onions, and one
// by which a visitor talks to it (control-spec, "CIRC", PURPOSE).
const (
	introPurpose   = "HS_SERVICE_INTRO"
	servicePurpose = "HS_SERVICE_REND"
)

// Republish takes an onion out of tor's configuration and puts it back, and
// closes every circuit by which a visitor is there: the new introduction points
// are in the new descriptor alone. Visitors who may come find them within
// seconds; those who may not have lost what they had. Without a process there
// is nobody to cut, and the next one begins again.
//
// Apply does the same by itself for an onion that loses a client.
func (t *Tor) Republish(ctx context.Context, name string) error {
	t.applying.Lock()
	defer t.applying.Unlock()
	spec := t.current()
	var dirs []string // with those of the addresses that it had before
	for _, o := range spec.Onions {
		if o.Name == name {
			dirs = append(dirs, o.Dir)
		}
	}
	if len(dirs) == 0 {
		return fmt.Errorf("publishing an onion again: tor has none called %q", name)
	}
	s := t.running()
	if s == nil {
		return nil
	}
	between := spec.without(dirs)
	if err := t.load(ctx, s, spec, between); err != nil {
		return err
	}
	return t.load(ctx, s, between, spec)
}

// cut closes the circuits of visitors to these addresses. A tor that does not
// obey is restarted, which closes all of them.
func (t *Tor) cut(ctx context.Context, s *session, addresses []string) {
	n, err := s.closeVisits(context.WithoutCancel(ctx), addresses)
	if err != nil {
		t.log.Warn("tor restarted: it did not close the circuits of visitors", "error", err)
		t.restartNow()
		return
	}
	if n > 0 {
		t.log.Info("closed the circuits of visitors", "count", n)
	}
}

// Circuits of visits are closed at such distances. A relay of tor 0.4.9 that has
// just been told of one end (DESTROY) and is told of another on the same
// connection keeps it until something else goes that way, for many seconds at
// times (circuitmux_append_destroy_cell in circuitmux.c). Circuits of visitors
// meet again at the visitor, those of introduction points do not.
const (
	introDistance   = 20 * time.Millisecond
	serviceDistance = 100 * time.Millisecond
	closingTime     = 2 * time.Second // for all of them; with many, the distances are less
)

// closeVisits closes them one by one and returns how many there were. The
// circuits on which visitors ask go first: who is cut comes back at once, and an
// introduction point that still took the question, of which we do not know any
// more, would have the visitor's tor wait for the answer for a minute.
func (s *session) closeVisits(ctx context.Context, addresses []string) (int, error) {
	if len(addresses) == 0 {
		return 0, nil
	}
	if _, err := s.closeAll(ctx, introPurpose, addresses, introDistance); err != nil {
		return 0, err
	}
	return s.closeAll(ctx, servicePurpose, addresses, serviceDistance) // with those that came until then
}

// closeAll closes what serves one of the onions for a purpose.
func (s *session) closeAll(ctx context.Context, purpose string, addresses []string, distance time.Duration) (int, error) {
	lines, err := s.commands.getInfoLines("circuit-status")
	if err != nil {
		return 0, err
	}
	ids := circuits(lines, purpose, addresses)
	return s.closeCircuits(ctx, ids, min(distance, closingTime/time.Duration(max(len(ids), 1))))
}

// closeCircuits closes circuits, and with them their streams (control-spec,
// "CLOSECIRCUIT"), with a distance between one and the next. It returns how many
// of them were still there.
func (s *session) closeCircuits(ctx context.Context, ids []string, distance time.Duration) (closed int, err error) {
	for i, id := range ids {
		if i > 0 {
			time.Sleep(distance)
		}
		if err := ctx.Err(); err != nil {
			return closed, err
		}
		_, err := s.commands.command("CLOSECIRCUIT " + id)
		var refused *RefusedError
		switch {
		case err == nil:
			closed++
		case errors.As(err, &refused) && refused.Code == 552: // it has gone by itself
		default:
			return closed, fmt.Errorf("closing a circuit: %w", err)
		}
	}
	return closed, nil
}

// circuits finds, in the lines of circuit-status, those that serve one of the
// onions.
func circuits(lines []string, purpose string, addresses []string) (ids []string) {
	for _, line := range lines {
		words, err := splitWords(line)
		if err != nil || len(words) == 0 {
			continue
		}
		args := keywords(words)
		if strings.HasPrefix(args["PURPOSE"], purpose) && slices.Contains(addresses, args["REND_QUERY"]) {
			ids = append(ids, words[0])
		}
	}
	return ids
}
