package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// State is where a message stands for one recipient.
type State string

const (
	Waiting   State = "waiting"   // to be delivered, or tried again
	Failed    State = "failed"    // it will not be delivered, and the sender is to be told
	Delivered State = "delivered" // somebody else has it durably
	Bounced   State = "bounced"   // the sender has been told
)

// Done reports whether nothing is left to do for the recipient.
func (s State) Done() bool { return s == Delivered || s == Bounced }

// Recipient is one recipient of a message.
type Recipient struct {
	To     string    `json:"to"` // LOCAL@DOMAIN
	State  State     `json:"state"`
	Status string    `json:"status,omitempty"` // enhanced status code of the last failure (RFC 3463)
	Reason string    `json:"reason,omitempty"` // the last failure in words
	Tried  time.Time `json:"tried,omitzero"`   // when it was last tried
}

// Origin says how a message came into the spool.
type Origin string

const (
	Submitted Origin = "submitted" // by a user of this house
	Received  Origin = "received"  // from another box
	Relayed   Origin = "relayed"   // by a group of this box
	Notice    Origin = "notice"    // this box tells a sender something
)

// Envelope is what the spool knows of one message beside its content.
type Envelope struct {
	ID         string      `json:"id"`
	From       string      `json:"from"` // "" is the null sender
	Origin     Origin      `json:"origin"`
	Arrived    time.Time   `json:"arrived"`
	Stranger   bool        `json:"stranger,omitempty"` // it was received where everybody may come
	Size       int64       `json:"size"`               // bytes of the content
	Seen       []string    `json:"seen,omitempty"`     // ledger keys of what came in with it
	Warned     bool        `json:"warned,omitempty"`
	Attempts   int         `json:"attempts,omitempty"`
	Recipients []Recipient `json:"recipients"`
}

// Done reports whether nothing is left to do.
func (e *Envelope) Done() bool {
	return !slices.ContainsFunc(e.Recipients, func(r Recipient) bool { return !r.State.Done() })
}

// clone returns a copy that shares nothing.
func (e *Envelope) clone() *Envelope {
	c := *e
	c.Seen, c.Recipients = slices.Clone(e.Seen), slices.Clone(e.Recipients)
	return &c
}

// maxRecipients bounds what an envelope file may hold; the server takes fewer.
const maxRecipients = 1000

// idPattern is what an ID looks like: it is a file name too.
var idPattern = regexp.MustCompile(`^[0-9a-z][0-9a-z-]{7,79}$`)

// errEnvelope is returned for a file that this package has not written.
var errEnvelope = errors.New("it is no envelope")

// encode is the content of an envelope file.
func encode(e *Envelope) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(e)
	return append(text, '\n'), err
}

// encodeFile is the content of an envelope file. Beside a record in the journal
// it has a key more in Seen: a version of tunic that knows no journal puts that
// into its ledger, by which replay knows that the message was taken over.
func encodeFile(e *Envelope, journaled bool) ([]byte, error) {
	if journaled {
		e = e.clone()
		e.Seen = append(e.Seen, takenOver(e.ID))
	}
	return encode(e)
}

// takenOver is a ledger key that no transfer has.
func takenOver(id string) string { return Key("", id, "") }

// decode reads an envelope file.
func decode(text []byte) (*Envelope, error) {
	e := new(Envelope)
	if err := json.Unmarshal(text, e); err != nil {
		return nil, fmt.Errorf("%w: %w", errEnvelope, err)
	}
	e.Seen = slices.DeleteFunc(e.Seen, func(key string) bool { return key == takenOver(e.ID) })
	return e, e.check()
}

// check refuses what delivery could not make sense of.
func (e *Envelope) check() error {
	switch {
	case !idPattern.MatchString(e.ID):
		return fmt.Errorf("%w: its ID is none", errEnvelope)
	case len(e.Recipients) == 0 || len(e.Recipients) > maxRecipients:
		return fmt.Errorf("%w: it has %d recipients", errEnvelope, len(e.Recipients))
	case e.Size < 0 || e.Attempts < 0:
		return fmt.Errorf("%w: a number is negative", errEnvelope)
	case !slices.Contains([]Origin{Submitted, Received, Relayed, Notice}, e.Origin):
		return fmt.Errorf("%w: its origin is unknown", errEnvelope)
	}
	for _, r := range e.Recipients {
		if r.To == "" || !slices.Contains([]State{Waiting, Failed, Delivered, Bounced}, r.State) {
			return fmt.Errorf("%w: a recipient is none", errEnvelope)
		}
	}
	return nil
}
