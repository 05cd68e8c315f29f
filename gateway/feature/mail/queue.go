package mail

import (
	"context"
	"errors"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/link"
)

// Queue is who has the queue of mail.
type Queue interface {
	// Mail asks about the queue, or changes it.
	Mail(ctx context.Context, q link.MailQuestion) (link.MailAnswer, error)
}

// hint is what to do when a question about mail has no answer.
const hint = "`tunic mail queue` lists what is on its way"

// MailQueue implements api.Mail.
func (f Feature) MailQueue(ctx context.Context) ([]api.Letter, error) {
	a, err := f.ask(ctx, link.MailQueue, "")
	list := []api.Letter{}
	for _, l := range a.Messages {
		list = append(list, letterOf(l))
	}
	return list, err
}

// MailShow implements api.Mail.
func (f Feature) MailShow(ctx context.Context, r api.MailRequest) (api.Letter, error) {
	a, err := f.ask(ctx, link.MailShow, r.ID)
	if err != nil || len(a.Messages) == 0 {
		return api.Letter{}, err
	}
	return letterOf(a.Messages[0]), nil
}

// MailFlush implements api.Mail.
func (f Feature) MailFlush(ctx context.Context, r api.MailRequest) (api.MailFlush, error) {
	a, err := f.ask(ctx, link.MailFlush, r.Peer)
	return api.MailFlush{Count: a.Count}, err
}

// MailDrop implements api.Mail.
func (f Feature) MailDrop(ctx context.Context, r api.MailRequest) error {
	_, err := f.ask(ctx, link.MailDrop, r.ID)
	return err
}

// ask asks serve, which has the queue.
func (f Feature) ask(ctx context.Context, verb link.MailVerb, word string) (link.MailAnswer, error) {
	a, err := f.queue.Mail(ctx, link.MailQuestion{Verb: verb, Word: word})
	if err == nil {
		return a, nil
	}
	now := f.host.Now()
	switch _, wanted := now.Config.Mail(); {
	case !wanted:
		return a, feature.Usage(errors.New("mail is not set up"),
			"make the file /etc/tunic/endpoints/smtp.toml, which may be empty, and run `tunic reload`")
	case !now.Open:
		return a, now.NotYet("mail")
	}
	return a, &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: hint}}
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
