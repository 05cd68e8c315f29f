package page

import (
	"context"
	"errors"

	"tunic/gateway/api"
	"tunic/gateway/feature"
)

// post is the mail on its way, and how the servers for mail and chat are. A queue that
// cannot be looked at is said in words: the servers are shown all the same.
func (f *Feature) post(ctx context.Context) (api.Post, error) {
	status, err := f.liveStatus(ctx)
	p := api.Post{Letters: []api.Letter{}, Servers: status.Servers}
	for _, s := range status.Household.Served.Services {
		if s.Name != "page" && s.Name != "page-tls" && s.Name != "shares" {
			p.Services = append(p.Services, s)
		}
	}
	if _, p.HasMail = f.host.Now().Config.Mail(); p.HasMail {
		letters, broken := f.Mail.MailQueue(ctx)
		if broken != nil {
			p.Why = broken.Error()
		} else {
			p.Letters = letters
		}
	}
	return p, err
}

func (f *Feature) flushMail(ctx context.Context, r api.MailRequest) (api.MailFlush, error) {
	return f.Mail.MailFlush(ctx, r)
}

// dropMail wants the whole ID: the beginning of one may be another's by now.
func (f *Feature) dropMail(ctx context.Context, r api.MailRequest) error {
	list, err := f.Mail.MailQueue(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.ID == r.ID {
			return f.Mail.MailDrop(ctx, r)
		}
	}
	return feature.Usage(errors.New("this mail is not in the queue any more"), "")
}
