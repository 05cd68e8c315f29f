package mail

import (
	"context"
	"errors"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

// Answers says who answers what serve asks.
func (f Feature) Answers(m *link.Mux) { link.Handle(m, link.SignMail, f.sign) }

// sign signs the digest of a mail (RFC 8463) with the key of an onion of mail,
// and of no other. It is all that serve can have signed: 32 bytes.
func (f Feature) sign(_ context.Context, d link.Digest) ([]byte, error) {
	now := f.host.Now()
	if _, ok := now.Config.Mail(); !ok {
		return nil, errors.New("mail is not set up")
	}
	if home := now.Addresses[config.HomeOnion]; home == "" || string(home) != d.Onion {
		return nil, errors.New("this onion signs no mail")
	}
	secret, err := onion.Secret(now.Paths.OnionKeys(config.HomeOnion), int(now.Tor.UID), int(now.Tor.GID))
	if err != nil {
		return nil, err
	}
	return tor.Sign(secret, d.Sum[:])
}
