package tor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Apply makes spec the desired state. The first call tells Serve what to
// start; a later one changes the running tor without ending it where tor lets
// that be done, and otherwise has Serve start another. It returns once the
// state is accepted; that the network is reached, onions are published and so
// on, Status says later. An equal state costs nothing, least if it is the same memory as
// last time; so nobody writes to a spec that was given.
//
// An error means that the state before is still the desired one: the errors of
// Check, ErrNoTor, *TooOldError, what tor itself has against the configuration
// (*RefusedError while it runs), or that tor did not survive the change.
func (t *Tor) Apply(ctx context.Context, spec Spec) error {
	t.applying.Lock()
	defer t.applying.Unlock()
	if t.isAsked(spec) {
		return nil
	}
	err := t.apply(ctx, spec.Clone())
	if err == nil {
		t.mu.Lock()
		t.asked = &spec
		t.mu.Unlock()
	}
	return err
}

// isAsked reports whether a spec is what the last Apply asked for and got, and is in force.
func (t *Tor) isAsked(spec Spec) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked != nil && reflect.DeepEqual(*t.asked, spec)
}

func (t *Tor) apply(ctx context.Context, spec Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	old, wished, s := t.spec.Clone(), t.wished, t.session
	t.mu.Unlock()
	switch {
	case wished && old.Equal(spec):
		return nil
	case wished && s != nil && len(RestartReasons(old, spec)) == 0:
		return t.reload(ctx, s, old, spec)
	default:
		return t.replace(ctx, spec)
	}
}

// reload changes the running process. Onions that lose a visitor are taken out
// first and come back with other introduction points: whoever has read the old
// descriptor could come by the old ones for hours.
func (t *Tor) reload(ctx context.Context, s *session, old, spec Spec) error {
	t.tracker.onions(append(old.Clone().Onions, spec.Onions...)) // an upload may be quicker than this function
	between := spec.without(closer(old, spec))
	if len(between.Onions) < len(spec.Onions) {
		if err := t.load(ctx, s, old, between); err != nil {
			return err
		}
		old = between
	}
	return t.load(ctx, s, old, spec)
}

// load gives the running process one configuration, and ends what visitors do
// with onions that are gone with it: before, since tor 0.4.9 drops their circuits
// without a word to the other end, where the streams then hang for minutes, and
// after, since somebody may have come in between.
func (t *Tor) load(ctx context.Context, s *session, old, spec Spec) error {
	given := spec.share(s.has)
	if err := writeKeys(spec); err != nil { // tor has not been asked for anything, and goes on as it was
		t.tracker.onions(old.Onions)
		return err
	}
	_, _ = s.closeVisits(context.WithoutCancel(ctx), gone(old, spec)) // what fails here is seen after
	err := s.commands.loadConf(owned(Render(given, s.version)))
	if err == nil {
		s.gave(given)
		t.accept(spec)
		s.events.pause.hasten() // somebody may wait for an onion to be out
		t.endVisits(s, old, spec)
		t.newVisits(s, old, spec)
		t.cut(ctx, s, gone(old, spec))
		return writeTorrc(spec, spec.Torrc, owned(Render(spec, s.version)))
	}
	return t.notLoaded(ctx, s, old, spec, err)
}

// notLoaded sees to it that tor is as it was.
func (t *Tor) notLoaded(ctx context.Context, s *session, old, spec Spec, err error) error {
	t.tracker.onions(old.Onions)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		// Tor hangs, or did not survive it: some bad values pass its own check.
		// Serve starts it again with the old configuration.
		t.restartNow()
		return fmt.Errorf("changing tor's configuration: %w", err)
	}
	// A refused LOADCONF can have closed listeners (it is not atomic).
	if difference, listenErr := s.listening(old); difference != "" || listenErr != nil {
		t.log.Warn("tor restarted: its listeners are not what they should be", "difference", difference, "err", listenErr)
		t.restartNow()
	}
	refused.Text = spec.hider()(refused.Text)
	if strings.Contains(refused.Text, "While Tor is running") {
		return t.replace(ctx, spec) // a start-only option that RestartReasons does not know
	}
	return fmt.Errorf("changing tor's configuration: %w", err)
}

// replace has Serve start another process, once the binary has found nothing
// wrong with its configuration.
func (t *Tor) replace(ctx context.Context, spec Spec) error {
	if err := verify(ctx, spec, t.log); err != nil {
		return err
	}
	t.accept(spec)
	t.restartNow()
	return nil
}

// accept makes spec the state that every start from now on has.
func (t *Tor) accept(spec Spec) {
	t.mu.Lock()
	t.spec, t.asked = spec, nil
	if !t.wished {
		t.wished = true
		close(t.wish)
	}
	t.mu.Unlock()
	t.tracker.onions(spec.Onions)
}

func (t *Tor) restartNow() {
	t.mu.Lock()
	restart := t.restart
	t.mu.Unlock()
	t.tracker.ended(nil) // at once: nobody shall take the old process's state for the new one's
	restart()
}
