package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/maildir"
	"tunic/gateway/endpoint/smtp/spool"
)

// postmaster is the name whose mail the admins get.
const postmaster = "postmaster"

// errGone is for a recipient who was here when the mail was accepted.
var errGone = errors.New("nobody here has this address any more")

// workLocal delivers to the people and groups of this box.
func (q *queue) workLocal(ctx context.Context) {
	for ctx.Err() == nil {
		i, ok := q.take(localLane)
		if !ok {
			return
		}
		if !q.deliver(ctx, i) {
			q.late(ctx, localLane, "this box could not store it")
			q.retry(localLane, i)
		}
	}
}

// deliver brings a message to its local recipients, and reports whether none of
// them has to wait.
func (q *queue) deliver(ctx context.Context, i item) bool {
	e, err := q.spool.Get(i.id)
	if err != nil {
		return true // dropped meanwhile
	}
	now, complete := q.now(), true
	results := make(map[string]error)
	for _, r := range e.Recipients {
		if r.State != spool.Waiting || now.laneOf(r.To) != localLane {
			continue
		}
		err := q.deliverTo(ctx, e, r.To, i.again)
		results[r.To] = err
		if err != nil && !errors.Is(err, errGone) {
			complete = false
			q.Log.Warn("a mail could not be delivered and waits", "error", err)
		}
	}
	q.settle(i.id, func(r *spool.Recipient) {
		err, tried := results[r.To]
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

// deliverTo brings a message to a user, the admins or a group.
func (q *queue) deliverTo(ctx context.Context, e *spool.Envelope, to string, again bool) error {
	m, err := address.Parse(to)
	if err != nil {
		return errGone
	}
	name := m.User()
	users := q.People().Mailboxes(name)
	if len(users) == 0 {
		if g, ok := q.now().groups[name]; ok && e.Origin != spool.Notice { // what the box says stays on it
			return q.expand(ctx, e, g)
		}
		if group, ok := strings.CutSuffix(name, bounces); ok && q.now().groups[group].Name != "" {
			users = q.People().Mailboxes(postmaster)
		}
	}
	if len(users) == 0 {
		return errGone
	}
	for _, user := range users {
		if err := q.store(e, user, again); err != nil {
			return err
		}
	}
	return nil
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
