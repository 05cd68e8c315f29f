package api

import (
	"context"
	"net/http"
	"time"
)

// Mail is the part of the gateway that knows of mail on its way.
type Mail interface {
	MailQueue(ctx context.Context) ([]Letter, error)
	MailShow(ctx context.Context, r MailRequest) (Letter, error)
	MailFlush(ctx context.Context, r MailRequest) (MailFlush, error)
	MailDrop(ctx context.Context, r MailRequest) error
}

// Letter is a mail that is on its way.
type Letter struct {
	ID         string            `json:"id"`
	From       string            `json:"from"` // empty: the box itself tells somebody something
	Arrived    time.Time         `json:"arrived"`
	Size       int64             `json:"size"`           // bytes
	Next       *time.Time        `json:"next,omitempty"` // when it is tried next; absent: now
	Recipients []LetterRecipient `json:"recipients"`
	Header     string            `json:"header,omitempty"` // only from `tunic mail show`
}

// LetterRecipient is how far a mail is for one recipient.
type LetterRecipient struct {
	To     string `json:"to"`
	State  string `json:"state"`            // waiting, failed, delivered, bounced
	Reason string `json:"reason,omitempty"` // why it waits or failed
}

// MailRequest names a mail by the beginning of its ID, or a friend.
type MailRequest struct {
	ID   string `json:"id,omitempty"`
	Peer string `json:"peer,omitempty"`
}

// MailFlush says what is tried now.
type MailFlush struct {
	Count int `json:"count"` // mails
}

// MailQueue lists the mail on its way, the oldest first.
func (c *Client) MailQueue(ctx context.Context) ([]Letter, error) {
	list := []Letter{}
	return list, c.call(ctx, http.MethodGet, "/mail", nil, &list)
}

// MailShow returns one mail with its header.
func (c *Client) MailShow(ctx context.Context, r MailRequest) (Letter, error) {
	var l Letter
	return l, c.call(ctx, http.MethodPost, "/mail/show", r, &l)
}

// MailFlush tries at once what waits.
func (c *Client) MailFlush(ctx context.Context, r MailRequest) (MailFlush, error) {
	var f MailFlush
	return f, c.call(ctx, http.MethodPost, "/mail/flush", r, &f)
}

// MailDrop removes a mail from the queue.
func (c *Client) MailDrop(ctx context.Context, r MailRequest) error {
	return c.call(ctx, http.MethodPost, "/mail/drop", r, nil)
}

func handleMail(mux *http.ServeMux, g Mail) {
	mux.HandleFunc("GET /mail", func(w http.ResponseWriter, r *http.Request) {
		list, err := g.MailQueue(r.Context())
		answer(w, list, err)
	})
	mux.HandleFunc("POST /mail/show", handle(g.MailShow))
	mux.HandleFunc("POST /mail/flush", handle(g.MailFlush))
	mux.HandleFunc("POST /mail/drop", handle(func(ctx context.Context, r MailRequest) (struct{}, error) {
		return struct{}{}, g.MailDrop(ctx, r)
	}))
}
