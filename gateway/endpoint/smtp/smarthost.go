package smtp

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// Smarthost is the server of a mail provider, which takes mail for the internet
// (RFC 6409). It is reached through Tor and always with TLS.
type Smarthost struct {
	Host     string // its certificate names it
	Port     uint16 // 465 speaks TLS from the beginning (RFC 8314), others by STARTTLS
	User     string
	Password string
	From     string // the address that the provider has given: LOCAL@DOMAIN
}

// domain is the provider's.
func (s Smarthost) domain() string {
	_, domain, _ := strings.Cut(s.From, "@")
	return domain
}

// smarthostLane is for the internet.
const smarthostLane lane = "smarthost"

// implicitTLS is the port on which TLS comes first.
const implicitTLS = 465

// internet divides recipients into those of boxes and those of the internet.
func internet(rcpts []address.Mailbox) (boxes, others []address.Mailbox) {
	for _, m := range rcpts {
		if _, ok := m.Key(); ok {
			boxes = append(boxes, m)
		} else {
			others = append(others, m)
		}
	}
	return boxes, others
}

// submitOutward keeps a message for the recipients in the internet.
func (u *submission) submitOutward(in *incoming, header message.Header, to []address.Mailbox) error {
	now := u.door.now()
	if now.Smarthost == nil {
		return errInternet
	}
	header, err := now.outward(header)
	if err != nil {
		return err
	}
	if err := u.door.room(in.body.Size()); err != nil {
		return err
	}
	body := u.door.spool.Draft()
	defer body.Close()
	if header, err = now.outwardBody(body, header, in.body); err != nil {
		return err
	}
	e := &spool.Envelope{ID: spool.NewID(), From: u.from.String(), Origin: spool.Submitted, Arrived: time.Now(),
		Recipients: waiting(distinct(to)...)}
	return u.door.commit(e, nil, header, body)
}

// distinct are the addresses of mailboxes, each once.
func distinct(list []address.Mailbox) []string {
	var texts []string
	for _, m := range list {
		text := m.String()
		if !slices.ContainsFunc(texts, func(t string) bool { return strings.EqualFold(t, text) }) {
			texts = append(texts, text)
		}
	}
	return texts
}

// connectSmarthost dials the provider's server and logs in.
func (q *queue) connectSmarthost(ctx context.Context, host Smarthost, fresh bool) (*gosmtp.Client, error) {
	dialing, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := q.DialHost(dialing, host.Host, host.Port, fresh)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	config := &tls.Config{ServerName: host.Host, MinVersion: tls.VersionTLS12, RootCAs: q.Roots}
	var c *gosmtp.Client
	if live := (lively{conn, stop}); host.Port == implicitTLS {
		c = gosmtp.NewClient(tls.Client(live, config))
	} else if c, err = gosmtp.NewClientStartTLS(live, config); err != nil {
		live.Close()
		return nil, err
	}
	c.CommandTimeout, c.SubmissionTimeout = commandTime, closingTime
	if err := c.Auth(sasl.NewPlainClient("", host.User, host.Password)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
