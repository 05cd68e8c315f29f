package notices

import (
	"maps"
	"slices"
	"time"

	"tunic/gateway/health"
)

// When a notice is due.
const (
	// gather is how long the first of several changes waits for the others.
	gather = time.Minute
	// settled is how long a change has to last to be told with them.
	settled = 20 * time.Second
	// afterStart is how long after a start nothing has ended: what a daemon has not
	// looked at yet is not well.
	afterStart = 3 * time.Minute
	// mostPerHour bounds the notices; what is left over waits for the next one.
	mostPerHour = 6
	// calm is how long a finding that has come back stays as it is before another
	// word is said about it.
	calm = time.Hour
)

// ledger is what admins were told, on the disk.
type ledger struct {
	Told    []told      // findings of which the last word was that they are there, or that they come and go
	Sent    []time.Time // notices of the last hour
	Waiting *waiting    `json:",omitempty"` // a notice that serve does not have yet
}

// waiting is a link.Notice, as it is kept.
type waiting struct {
	ID      string
	Subject string
	Text    string
	At      time.Time
}

// told is a finding that admins know of. One that has ended is remembered for a while.
type told struct {
	Code    health.Code
	Subject string
	Text    string
	Since   time.Time // when it was found
	At      time.Time // of the last word about it
	Ended   bool      // the last word was that it has ended
	Flaps   bool      // they were told that it comes and goes
}

// watcher sees findings come and go. It is for one goroutine.
type watcher struct {
	now     func() time.Time
	started time.Time
	changed map[key]time.Time // since when a finding is other than what was told
}

type key struct {
	code    health.Code
	subject string
}

func keyOf(f health.Finding) key { return key{f.Code, f.Subject} }
func (t told) key() key          { return key{t.Code, t.Subject} }

// look compares what is there with what was told, and returns what there is to tell,
// nil for nothing, and the ledger with that in it. What is less serious than least
// is not told, and neither is that notices do not arrive.
func (w *watcher) look(l ledger, findings []health.Finding, least health.Severity) (ledger, *news) {
	now := w.now()
	l.Sent = slices.DeleteFunc(slices.Clone(l.Sent), func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	l.Told = slices.DeleteFunc(slices.Clone(l.Told), func(t told) bool { return t.Ended && now.Sub(t.At) >= calm })
	n := &news{at: now, ended: w.gone(l, findings, now)}
	first := now // of the changes that are to be told
	for _, t := range n.ended {
		first = earlier(first, w.changed[t.key()])
	}
	for _, f := range findings {
		if f.Severity.Rank() <= least.Rank() && f.Code != health.NoticesUnusable && w.isNew(l, f, now) {
			n.began = append(n.began, f)
			first = earlier(first, w.changed[keyOf(f)])
		}
	}
	if now.Sub(first) < gather || len(l.Sent) >= mostPerHour {
		return l, nil
	}
	w.settle(n, now)
	if len(n.began)+len(n.ended) == 0 {
		return l, nil
	}
	for _, f := range n.began {
		l.note(f, now, &n.flapping)
	}
	for _, t := range n.ended {
		i := slices.IndexFunc(l.Told, func(o told) bool { return o.key() == t.key() })
		l.Told[i].Ended, l.Told[i].Flaps, l.Told[i].At = true, false, now
	}
	l.Sent = append(l.Sent, now)
	return l, n
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle keeps of the news what has lasted; the rest is for the next notice.
func (w *watcher) settle(n *news, now time.Time) {
	short := func(k key) bool {
		if now.Sub(w.changed[k]) < settled {
			return true
		}
		delete(w.changed, k)
		return false
	}
	n.began = slices.DeleteFunc(n.began, func(f health.Finding) bool { return short(keyOf(f)) })
	n.ended = slices.DeleteFunc(n.ended, func(t told) bool { return short(t.key()) })
}

// isNew reports whether a finding is there of which admins do not know.
func (w *watcher) isNew(l ledger, f health.Finding, now time.Time) bool {
	i := slices.IndexFunc(l.Told, func(t told) bool { return t.key() == keyOf(f) })
	if i >= 0 && !l.Told[i].Ended {
		delete(w.changed, keyOf(f))
		return false
	}
	w.since(keyOf(f), now)
	return true
}

// gone are the findings that admins know of and that are not there any more; one that
// comes and goes is, once it has been away for long.
func (w *watcher) gone(l ledger, findings []health.Finding, now time.Time) (list []told) {
	here := make(map[key]bool)
	for _, f := range findings {
		here[keyOf(f)] = true
	}
	maps.DeleteFunc(w.changed, func(k key, _ time.Time) bool { // a beginning that is over again
		return !here[k] && !slices.ContainsFunc(l.Told, func(t told) bool { return t.key() == k && !t.Ended })
	})
	if now.Sub(w.started) < afterStart {
		return nil
	}
	for _, t := range l.Told {
		if !t.Ended && !here[t.key()] && (now.Sub(w.since(t.key(), now)) >= calm || !t.Flaps) {
			list = append(list, t)
		}
	}
	return list
}

// note keeps that a finding was told.
func (l *ledger) note(f health.Finding, now time.Time, flapping *[]key) {
	t := told{Code: f.Code, Subject: f.Subject, Text: f.Text, Since: f.Since, At: now}
	i := slices.IndexFunc(l.Told, func(o told) bool { return o.key() == t.key() })
	if i < 0 {
		l.Told = append(l.Told, t)
		return
	}
	t.Flaps = true // it had ended within the hour
	*flapping = append(*flapping, t.key())
	l.Told[i] = t
}

// since is when a finding was first seen to be other than what was told.
func (w *watcher) since(k key, now time.Time) time.Time {
	if w.changed == nil {
		w.changed = make(map[key]time.Time)
	}
	if _, ok := w.changed[k]; !ok {
		w.changed[k] = now
	}
	return w.changed[k]
}
