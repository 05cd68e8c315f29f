package api

import (
	"context"
	"time"
)

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
	return ask(ctx, c, verbMailQueue, struct{}{})
}

// MailShow returns one mail with its header.
func (c *Client) MailShow(ctx context.Context, r MailRequest) (Letter, error) {
	return ask(ctx, c, verbMailShow, r)
}

// MailFlush tries at once what waits.
func (c *Client) MailFlush(ctx context.Context, r MailRequest) (MailFlush, error) {
	return ask(ctx, c, verbMailFlush, r)
}

// MailDrop removes a mail from the queue.
func (c *Client) MailDrop(ctx context.Context, r MailRequest) error {
	_, err := ask(ctx, c, verbMailDrop, r)
	return err
}
