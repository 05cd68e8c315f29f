package smtp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/spool"
	"tunic/gateway/onion"
)

// Times of a transfer. A dial that hangs has a stale descriptor: better to try
// again soon. A friend's box that says nothing for minutes is gone.
const (
	dialTime    = 20 * time.Second
	commandTime = 2 * time.Minute
	closingTime = 10 * time.Minute // from the end of the data to its "250"
)

// route is how a destination is reached.
type route struct {
	// connect makes a connection, a fresh one on circuits of its own.
	connect func(ctx context.Context, fresh bool) (*gosmtp.Client, error)
	sender  string    // the envelope's; "" is the message's own
	host    Smarthost // which it is; zero: a friend's box
}

// Errors of routes: what waits for them is given up.
var (
	errForgotten   = errors.New("this box is not connected with that one any more")
	errNoSmarthost = errors.New("this box does not send mail to the internet any more")
)

// routeTo is the way to another server.
func (q *queue) routeTo(name lane) (route, error) {
	if name == smarthostLane {
		return q.smarthostRoute()
	}
	return q.friendRoute(onion.Address(name))
}

// friendRoute is the way to a friend's box.
func (q *queue) friendRoute(key onion.Address) (route, error) {
	if q.now().book.Petname(key) == "" {
		return route{}, errForgotten
	}
	return route{connect: func(ctx context.Context, fresh bool) (*gosmtp.Client, error) { return q.connect(ctx, key, fresh) }}, nil
}

// smarthostRoute is the way to the internet.
func (q *queue) smarthostRoute() (route, error) {
	host := q.now().Smarthost
	if host == nil {
		return route{}, errNoSmarthost
	}
	return route{sender: host.From, host: *host, connect: func(ctx context.Context, fresh bool) (*gosmtp.Client, error) {
		return q.connectSmarthost(ctx, *host, fresh)
	}}, nil
}

// workRemote delivers to another server over one connection, until nothing is
// due or the server cannot be reached.
func (q *queue) workRemote(ctx context.Context, name lane) {
	var c *gosmtp.Client
	var at Smarthost // where c leads
	hangUp := func() {
		if c != nil {
			c.Quit()
			c.Close()
		}
		c = nil
	}
	defer hangUp()
	for ctx.Err() == nil {
		i, ok := q.take(name)
		if !ok && c != nil {
			i, ok = q.linger(ctx, name)
		}
		if !ok {
			return
		}
		way, err := q.routeTo(name)
		if err != nil {
			q.failAll(i.id, name, "5.1.2", err.Error())
			q.over(name, i)
			continue
		}
		if at != way.host {
			hangUp()
		}
		first := c == nil
		if first {
			if c, err = way.connect(ctx, q.failed(name) > 0); err != nil {
				q.notReached(ctx, name, i, err)
				return
			}
			q.reached(name)
			at = way.host
			if now, err := q.routeTo(name); err != nil || now.host != at { // that may have taken minutes
				q.putBack(name, i)
				continue
			}
		}
		waits, err := q.transfer(c, name, way.sender, i.id)
		if err != nil {
			c.Close()
			c = nil
		}
		q.tried(ctx, name, i, waits, err != nil && !first)
	}
}

// notReached puts a message back to which there was no way.
func (q *queue) notReached(ctx context.Context, name lane, i item, err error) {
	q.putBack(name, i)
	reason := q.why(err)
	q.unreachable(name, i.began, firstPause(err), reason)
	q.late(ctx, name, reason)
}

// tried puts a message back that waits after a transfer. stale says that the connection was from
// before the other side went away.
func (q *queue) tried(ctx context.Context, name lane, i item, waits, stale bool) {
	switch {
	case !waits:
		q.over(name, i)
	case stale:
		q.putBack(name, i)
	default:
		q.retry(name, i) // first: it may have waited too long itself
		q.late(ctx, name, "it has not taken the mail")
	}
}

// lingerTime keeps a connection for what may come next: to make one through Tor
// takes longer than to send a mail over it.
const lingerTime = 5 * time.Second

// linger waits a moment for another message.
func (q *queue) linger(ctx context.Context, name lane) (item, bool) {
	end := time.Now().Add(lingerTime)
	for time.Now().Before(end) && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		if i, ok := q.take(name); ok {
			return i, true
		}
	}
	return item{}, false
}

// why says in words why a box was not reached.
func (q *queue) why(err error) string {
	var answer *gosmtp.SMTPError
	if errors.As(err, &answer) {
		return "the box said: " + oneLine(answer.Message)
	}
	return "the box was not reached: " + oneLine(q.Reason(err))
}

// firstPause is how long a destination is not tried again after the first
// failure. One that was reached and has refused, perhaps a password, is not to be
// asked at once again.
func firstPause(err error) time.Duration {
	var answer *gosmtp.SMTPError
	if errors.As(err, &answer) {
		return firstRetry
	}
	return redial
}

// connect dials a friend's box and says who is calling.
func (q *queue) connect(ctx context.Context, key onion.Address, fresh bool) (*gosmtp.Client, error) {
	var conn net.Conn
	err := q.Turn(ctx, key, func() (err error) {
		dialing, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		conn, err = q.Dial(dialing, key, fresh)
		return err
	})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c := gosmtp.NewClient(lively{conn, stop})
	c.CommandTimeout, c.SubmissionTimeout = commandTime, closingTime
	if err := c.Hello(q.now().domain()); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// lively is a connection on which each Write has time, however long the whole
// message takes.
type lively struct {
	net.Conn
	stop func() bool // of closing it when the server ends
}

func (l lively) Close() error {
	l.stop()
	return l.Conn.Close()
}

func (l lively) Write(p []byte) (int, error) {
	if err := l.SetWriteDeadline(time.Now().Add(commandTime)); err != nil {
		return 0, err
	}
	return l.Conn.Write(p)
}

// transfer sends one message to those of its recipients who are at a
// destination. waits says that some of them have to be tried again, err that
// the connection is of no use any more.
func (q *queue) transfer(c *gosmtp.Client, name lane, sender, id string) (waits bool, err error) {
	e, err := q.spool.Get(id)
	if err != nil {
		return false, nil // dropped meanwhile
	}
	answers := make(map[string]error)
	e.From = cmp.Or(sender, e.From) // of this copy alone
	err = q.send(c, e, name, answers)
	broken := isBroken(err)
	q.settle(id, func(r *spool.Recipient) {
		answer, tried := answers[r.To]
		if !tried {
			return
		}
		note(r, answer)
		waits = waits || r.State == spool.Waiting
	})
	if !broken {
		return waits, nil
	}
	return waits || len(answers) == 0, err
}

// note writes down what a box has answered for a recipient.
func note(r *spool.Recipient, answer error) {
	r.Tried = time.Now()
	var smtp *gosmtp.SMTPError
	switch {
	case answer == nil:
		r.State, r.Status, r.Reason = spool.Delivered, "", ""
	case errors.As(answer, &smtp):
		r.Status, r.Reason = status(smtp), oneLine(smtp.Message)
		if smtp.Code >= 500 {
			r.State = spool.Failed
		}
	default:
		r.Status, r.Reason = "4.4.2", "the connection broke off"
	}
}

// isBroken reports whether an error is about the connection.
func isBroken(err error) bool {
	var answer *gosmtp.SMTPError
	return err != nil && (!errors.As(err, &answer) || answer.Code == 421)
}

// send makes one transaction (RFC 5321, section 3.3) and puts the answer for
// each recipient into answers. The error is the one that ended it.
func (q *queue) send(c *gosmtp.Client, e *spool.Envelope, name lane, answers map[string]error) error {
	now := q.now()
	var to []string
	for _, r := range e.Recipients {
		if r.State == spool.Waiting && now.laneOf(r.To) == name {
			to = append(to, r.To)
		}
	}
	if len(to) > maxRecipients { // the rest waits for the next time
		to = to[:maxRecipients]
	}
	all := func(err error) error {
		for _, r := range to {
			if answers[r] == nil {
				answers[r] = err
			}
		}
		return err
	}
	if err := c.Mail(e.From, &gosmtp.MailOptions{Size: e.Size, Body: gosmtp.Body8BitMIME}); err != nil {
		c.Reset()
		return all(err)
	}
	taken := 0
	for _, r := range to {
		err := c.Rcpt(r, nil)
		switch {
		case isBroken(err):
			return all(err)
		case err != nil:
			answers[r] = err
		default:
			taken++
		}
	}
	if taken == 0 {
		return c.Reset()
	}
	return all(q.data(c, e.ID))
}

// data sends the content. Without its "250" nothing is delivered.
func (q *queue) data(c *gosmtp.Client, id string) error {
	f, err := q.spool.Content(id)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("sending a mail: %w", err)
	}
	return w.Close()
}

// status is an enhanced status code as text; a box that sends none means the
// class of its answer.
func status(e *gosmtp.SMTPError) string {
	if e.EnhancedCode[0] > 0 {
		return fmt.Sprintf("%d.%d.%d", e.EnhancedCode[0], e.EnhancedCode[1], e.EnhancedCode[2])
	}
	return fmt.Sprintf("%d.0.0", e.Code/100)
}

// oneLine makes what another box said fit to be shown.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 300)]
}
