package gateway

import (
	"context"
	"errors"

	"tunic/gateway/link"
)

// maxSigning bounds what serve can make the parent do at a time.
const maxSigning = 64

// sign answers a Sign of serve's.
func (c *Child) sign(conn *link.Conn, s link.Sign) {
	if n := c.signing.Add(1); c.Sign == nil || n > maxSigning {
		c.signing.Add(-1)
		c.send(conn, link.Signed{ID: s.ID, Error: "busy"})
		return
	}
	go func() {
		defer c.signing.Add(-1)
		reply := link.Signed{ID: s.ID}
		var err error
		if reply.Signature, err = c.Sign(s); err != nil {
			reply.Error = err.Error()
		}
		c.send(conn, reply)
	}()
}

func (c *Child) send(conn *link.Conn, m link.Message) {
	if err := conn.Send(m); err != nil {
		c.Log.Debug("answering serve failed", "error", err) // it has gone away
	}
}

// Mail asks serve about its queue of mail, or to change it.
func (c *Child) Mail(ctx context.Context, verb link.MailVerb, word string) (link.MailAnswer, error) {
	answer, err := c.request(ctx, func(id uint64) link.Message { return link.MailAsk{ID: id, Verb: verb, Word: word} })
	return answer.Mail, err
}

// request asks serve for something, and makes an error of what it could not do.
func (c *Child) request(ctx context.Context, question func(id uint64) link.Message) (link.Answer, error) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return link.Answer{}, errAway
	}
	answer, err := c.ask(ctx, conn, question)
	for _, text := range answer.Errors {
		err = errors.Join(err, errors.New(text))
	}
	return answer, err
}
