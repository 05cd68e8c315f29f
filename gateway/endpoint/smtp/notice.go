package smtp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// signTime is how long the parent may take to sign a notice.
const signTime = 30 * time.Second

// noticeRetry is when a notice that could not be made is tried again.
const noticeRetry = time.Minute

// finish does what follows from the state of a message: its sender is told of
// those who will not get it, and when nothing is left to do the message goes.
func (q *queue) finish(id string) {
	q.finishing.Lock()
	defer q.finishing.Unlock()
	e, err := q.spool.Get(id)
	if err != nil {
		return
	}
	var failed []spool.Recipient
	for _, r := range e.Recipients {
		if r.State == spool.Failed {
			failed = append(failed, r)
		}
	}
	if len(failed) > 0 {
		if err := q.notify(e, failed, failure); err != nil {
			q.Log.Warn("a sender could not be told yet that mail was not delivered", "error", err)
			time.AfterFunc(noticeRetry, func() { q.finish(id) })
			return
		}
		e, err = q.spool.Update(id, func(e *spool.Envelope) {
			for i := range e.Recipients {
				if e.Recipients[i].State == spool.Failed {
					e.Recipients[i].State = spool.Bounced
				}
			}
		})
	}
	if err == nil && e.Done() {
		if err := q.spool.Remove(id); err != nil {
			q.Log.Warn("a delivered mail could not be removed from the spool", "error", err)
		}
	}
}

// warn tells a sender, once, that a message is late.
func (q *queue) warn(id string, name lane, reason string) {
	q.finishing.Lock()
	defer q.finishing.Unlock()
	e, err := q.spool.Get(id)
	if err != nil || e.Warned || e.Origin == spool.Relayed {
		return
	}
	var late []spool.Recipient
	for _, r := range e.Recipients {
		if r.State == spool.Waiting && q.now().laneOf(r.To) == name {
			r.Status, r.Reason = "4.4.1", reason
			late = append(late, r)
		}
	}
	if err := q.notify(e, late, delay); err != nil {
		q.Log.Warn("a sender could not be told that mail is late", "error", err)
		return
	}
	q.spool.Update(id, func(e *spool.Envelope) { e.Warned = true })
}

// kind is what a notice says.
type kind struct {
	action  string // RFC 3464, section 2.3.3
	subject string
	text    string
}

var (
	failure = kind{"failed", "Your mail was not delivered",
		"This box could not deliver your mail to the following addresses, and has\r\ngiven up. What is below says why.\r\n"}
	delay = kind{"delayed", "Your mail is still waiting",
		"Your mail to the following addresses is still on this box. It is tried again\r\nfor five days; you need not send it again.\r\n"}
)

// notify makes a delivery status notification (RFC 3464) for the sender of a
// message. A notice has no sender, so nobody is told about one, and strangers
// are told nothing.
func (q *queue) notify(e *spool.Envelope, about []spool.Recipient, k kind) error {
	if e.From == "" || e.Stranger || len(about) == 0 { // strangers would learn who has the box they wrote to
		return nil
	}
	now := q.now()
	n := &spool.Envelope{ID: derive(e.ID, k.action, about[0].To), Origin: spool.Notice, Arrived: time.Now(), Recipients: waiting(e.From)}
	header := message.Header{
		message.New("From", fmt.Sprintf("Mail on this box <MAILER-DAEMON@%s>", now.domain())),
		message.New("To", "<"+e.From+">"),
		message.New("Subject", k.subject),
		message.New("Date", n.Arrived.UTC().Format(time.RFC1123Z)),
		message.New("Message-ID", fmt.Sprintf("<%s@%s>", n.ID, now.domain())),
		message.New("Auto-Submitted", "auto-replied"),
		message.New(transferField, fmt.Sprintf("<%s@%s>", n.ID, now.domain())),
		message.New("MIME-Version", "1.0"),
		message.New("Content-Type", fmt.Sprintf("multipart/report; report-type=delivery-status;\r\n\tboundary=%q", n.ID)),
	}
	body := q.spool.Draft()
	defer body.Close()
	if err := q.report(body, e, about, k, n.ID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), signTime)
	defer cancel()
	trace := message.Header{message.New("Return-Path", "<>")}
	if q.now().laneOf(e.From) != localLane {
		signature, err := q.sign(ctx, header, body)
		if err != nil {
			return err
		}
		trace = message.Header{signature}
	}
	return q.commit(n, trace, header, body)
}

// report writes the three parts of a notice.
func (q *queue) report(w io.Writer, e *spool.Envelope, about []spool.Recipient, k kind, boundary string) error {
	now := q.now()
	var b strings.Builder
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n%s\r\n", boundary, k.text)
	for _, r := range about {
		fmt.Fprintf(&b, "    %s\r\n        %s\r\n", now.readable(r.To), r.Reason)
	}
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: message/delivery-status\r\n\r\n", boundary)
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n", now.domain(), e.Arrived.UTC().Format(time.RFC1123Z))
	for _, r := range about {
		fmt.Fprintf(&b, "\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\nDiagnostic-Code: X-Tunic; %s\r\n",
			r.To, k.action, r.Status, r.Reason)
	}
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: message/rfc822-headers\r\n\r\n", boundary)
	if header, err := q.header(e.ID); err == nil {
		b.WriteString(header.String())
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	_, err := io.WriteString(w, b.String())
	return err
}

// header is that of a message of the spool.
func (q *queue) header(id string) (message.Header, error) {
	f, err := q.spool.Content(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return message.Read(bufio.NewReader(f))
}

// readable is an address as people of this house know it.
func (c *settings) readable(text string) string {
	m, err := address.Parse(text)
	if err != nil {
		return text
	}
	key, _ := m.Key()
	if name := c.book.Petname(key); name != "" {
		return m.Local + "@" + name + address.Suffix
	}
	return text
}
