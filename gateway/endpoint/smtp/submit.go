package smtp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// addressFields hold addresses, and so may hold petnames of this house.
var addressFields = []string{"From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc",
	"Mail-Followup-To", "Mail-Reply-To", "Disposition-Notification-To", "Return-Receipt-To"}

// privateFields are nobody's business outside: who got a blind copy, which
// device and which program on the way handed the mail in, and what only a
// server may say.
var privateFields = []string{"Bcc", "Resent-Bcc", "Received", "X-Originating-IP", "X-Received", "Return-Path", "Delivered-To",
	"Authentication-Results", transferField}

// submit makes of what a user's program sent what other boxes may see, signs
// and keeps it.
func (u *submission) submit(in *incoming) error {
	header, err := u.cleaned(in.header)
	if err != nil {
		return err
	}
	now := u.door.now()
	e := &spool.Envelope{ID: spool.NewID(), From: u.from.String(), Origin: spool.Submitted, Arrived: time.Now()}
	boxes, others := internet(u.rcpts)
	e.Recipients = waiting(distinct(boxes)...)
	header = complete(header, now.domain(), e)
	if len(others) > 0 {
		if err := u.submitOutward(in, slices.Clone(header), others); err != nil || len(boxes) == 0 {
			return err
		}
	}
	signature, err := u.door.sign(u.ctx, header, in.body)
	if err != nil {
		return err
	}
	trace := message.Header{
		received("", now.domain(), "ESMTPSA", e.ID, e.Arrived),
		message.New("Authentication-Results", now.domain()+";\r\n\tauth=pass smtp.auth="+u.user),
		signature,
	}
	return u.door.commit(e, trace, header, in.body)
}

// cleaned checks who the author is and takes out what must not leave the house.
func (u *submission) cleaned(h message.Header) (message.Header, error) {
	authors, err := h.Authors()
	if err != nil {
		return nil, err
	}
	if len(authors) != 1 {
		return nil, refuse(550, 5, 7, 1, "a mail has one author here: you")
	}
	if _, err := u.mine(authors[0]); err != nil {
		return nil, err
	}
	// A Sender other than the author would be an address that nobody checked.
	h = h.Without(append(privateFields, "Sender")...)
	now := u.door.now()
	h = eachID(h, func(f message.Field, _, right string) string {
		if isOwnID(f) || isLocalName(right) || isNameOf(right, u.visitor.Host) ||
			slices.ContainsFunc(now.Phones, func(host string) bool { return isNameOf(right, host) }) {
			return now.domain()
		}
		return right
	})
	h = universal(h)
	for i, f := range h {
		if slices.ContainsFunc(addressFields, f.Is) {
			if h[i].Raw, err = rewrite(f, now.book.RewriteHeader); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

// rewrite changes what stands after a field's colon.
func rewrite(f message.Field, change func(string) (string, error)) (string, error) {
	value, err := change(strings.TrimSuffix(f.Raw[len(f.Name)+1:], "\r\n"))
	return f.Name + ":" + value + "\r\n", err
}

// complete adds what every mail has (RFC 6409, section 8), and its name on the
// way to other boxes.
func complete(h message.Header, domain string, e *spool.Envelope) message.Header {
	var added message.Header
	if !h.Has("Date") {
		added = append(added, message.New("Date", e.Arrived.UTC().Format(time.RFC1123Z)))
	}
	if !h.Has("Message-ID") {
		added = append(added, message.New("Message-ID", fmt.Sprintf("<%s@%s>", e.ID, domain)))
	}
	added = append(added, message.New(transferField, fmt.Sprintf("<%s@%s>", e.ID, domain)))
	return append(added, h...)
}
