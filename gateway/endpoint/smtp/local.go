package smtp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/maildir"
	"tunic/gateway/endpoint/smtp/spool"
)

// postmaster is the name whose mail the admins get.
const postmaster = "postmaster"

// errGone is for a recipient who was here when the mail was accepted.
var errGone = errors.New("nobody here has this address any more")

// batch is how many messages share the syncs of their delivery.
const batch = 32

// delivery is a message on its way to its local recipients.
type delivery struct {
	item
	envelope *spool.Envelope
	results  map[string]error    // of each recipient that was tried
	boxes    map[string][]string // in which mailboxes it is by that
}

// workLocal delivers to the people and groups of this box.
func (q *queue) workLocal(ctx context.Context) {
	for ctx.Err() == nil {
		var round []*delivery
		for len(round) < batch {
			i, ok := q.take(localLane)
			if !ok {
				break
			}
			e, err := q.spool.Get(i.id)
			if err != nil { // it was dropped meanwhile
				q.over(localLane, i)
				continue
			}
			round = append(round, &delivery{item: i, envelope: e, results: make(map[string]error),
				boxes: make(map[string][]string)})
		}
		if len(round) == 0 {
			return
		}
		q.deliver(ctx, round)
		for _, d := range round {
			if q.conclude(d) {
				q.over(localLane, d.item)
				continue
			}
			q.retry(localLane, d.item) // first: it may have waited too long itself
			q.late(ctx, localLane, "this box could not store it")
		}
	}
}

// deliver brings messages to their local recipients: first all contents become
// durable, then they get their names in mailboxes, then these do.
func (q *queue) deliver(ctx context.Context, round []*delivery) {
	synced := together(round, func(d *delivery) error { return q.spool.Durable(d.id) })
	boxes := make(map[string]error)
	for k, d := range round {
		for _, r := range d.envelope.Recipients {
			if r.State != spool.Waiting || q.now().laneOf(r.To) != localLane {
				continue
			}
			if err := synced[k]; err != nil {
				d.results[r.To] = err
				continue
			}
			users, err := q.deliverTo(ctx, d, r.To)
			d.results[r.To], d.boxes[r.To] = err, users
			for _, user := range users {
				boxes[user] = nil
			}
		}
	}
	users := slices.Collect(maps.Keys(boxes))
	for k, err := range together(users, func(user string) error { return maildir.Sync(q.maildir(user)) }) {
		boxes[users[k]] = err
	}
	for _, d := range round {
		for to, users := range d.boxes {
			for _, user := range users {
				if d.results[to] == nil {
					d.results[to] = boxes[user]
				}
			}
		}
	}
}

// together calls do for each of a list at once, and returns the errors in its order.
func together[T any](list []T, do func(T) error) []error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for k, x := range list {
		all.Go(func() { errs[k] = do(x) })
	}
	all.Wait()
	return errs
}

// conclude writes down how a delivery went, and reports whether no recipient
// has to wait.
func (q *queue) conclude(d *delivery) (complete bool) {
	complete = true
	for _, err := range d.results {
		if err != nil && !errors.Is(err, errGone) {
			complete = false
			q.Log.Warn("a mail could not be delivered and waits", "error", err)
		}
	}
	q.settle(d.id, func(r *spool.Recipient) {
		err, tried := d.results[r.To]
		if !tried {
			return
		}
		r.Tried = time.Now()
		switch {
		case err == nil:
			r.State, r.Reason = spool.Delivered, ""
		case errors.Is(err, errGone):
			r.State, r.Status, r.Reason = spool.Failed, "5.1.1", err.Error()
		default:
			r.Status, r.Reason = "4.3.0", err.Error()
		}
	})
	return complete
}

// deliverTo brings a message to a user, the admins or a group, and says in whose
// mailboxes it is, which are not durable yet.
func (q *queue) deliverTo(ctx context.Context, d *delivery, to string) (users []string, err error) {
	m, err := address.Parse(to)
	if err != nil {
		return nil, errGone
	}
	e, name := d.envelope, m.User()
	users = q.People().Mailboxes(name)
	if len(users) == 0 {
		if g, ok := q.now().groups[name]; ok && e.Origin != spool.Notice { // what the box says stays on it
			return nil, q.expand(ctx, e, g)
		}
		if group, ok := strings.CutSuffix(name, bounces); ok && q.now().groups[group].Name != "" {
			users = q.People().Mailboxes(postmaster)
		}
	}
	if len(users) == 0 {
		return nil, errGone
	}
	for k, user := range users {
		if err := q.store(e, user, d.again); err != nil {
			return users[:k], err
		}
	}
	return users, nil
}

// store puts a message into a user's Maildir.
func (q *queue) store(e *spool.Envelope, user string, again bool) error {
	dir := q.maildir(user)
	name := maildir.Name(e.Arrived, e.ID, e.Size, e.Stranger)
	err := maildir.Deliver(dir, q.spool.Path(e.ID), name, again || e.Origin == spool.Notice || e.Origin == spool.Relayed)
	if err != nil {
		if made := maildir.Ensure(dir); made != nil {
			return fmt.Errorf("storing a mail: %w", made)
		}
		err = maildir.Deliver(dir, q.spool.Path(e.ID), name, again)
	}
	if err == nil {
		q.grew(user, e)
	}
	return err
}
