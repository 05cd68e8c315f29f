package gateway

import (
	"context"

	"tunic/gateway/api"
	"tunic/gateway/link"
)

// mailHint is what to do when a question about mail has no answer.
const mailHint = "`tunic mail queue` lists what is on its way"

// MailQueue implements api.Mail.
func (g *Gateway) MailQueue(ctx context.Context) ([]api.Letter, error) {
	a, err := g.askMail(ctx, link.MailQueue, "")
	list := []api.Letter{}
	for _, l := range a.Messages {
		list = append(list, letterOf(l))
	}
	return list, err
}

// MailShow implements api.Mail.
func (g *Gateway) MailShow(ctx context.Context, r api.MailRequest) (api.Letter, error) {
	a, err := g.askMail(ctx, link.MailShow, r.ID)
	if err != nil || len(a.Messages) == 0 {
		return api.Letter{}, err
	}
	return letterOf(a.Messages[0]), nil
}

// MailFlush implements api.Mail.
func (g *Gateway) MailFlush(ctx context.Context, r api.MailRequest) (api.MailFlush, error) {
	a, err := g.askMail(ctx, link.MailFlush, r.Peer)
	return api.MailFlush{Count: a.Count}, err
}

// MailDrop implements api.Mail.
func (g *Gateway) MailDrop(ctx context.Context, r api.MailRequest) error {
	_, err := g.askMail(ctx, link.MailDrop, r.ID)
	return err
}

// askMail asks serve, which has the queue.
func (g *Gateway) askMail(ctx context.Context, verb link.MailVerb, word string) (link.MailAnswer, error) {
	a, err := g.Server.Mail(ctx, link.MailQuestion{Verb: verb, Word: word})
	if v := g.snapshot(); err != nil && v.state == api.Closed {
		if _, wanted := v.config.Mail(); wanted {
			return a, notYet("mail", v.why)
		}
	}
	if err != nil {
		err = &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: mailHint}}
	}
	return a, err
}

// notYet is the answer for what starts with the rest of the box.
func notYet(what, why string) error {
	return &api.Failure{Problem: api.Problem{Error: what + " starts when the household is open: " + why, Hint: "`tunic status` says more"}}
}

func letterOf(l link.Letter) api.Letter {
	a := api.Letter{ID: l.ID, From: l.From, Arrived: l.Arrived, Size: l.Size, Header: l.Header}
	if !l.Next.IsZero() {
		a.Next = &l.Next
	}
	for _, r := range l.Recipients {
		a.Recipients = append(a.Recipients, api.LetterRecipient(r))
	}
	return a
}
