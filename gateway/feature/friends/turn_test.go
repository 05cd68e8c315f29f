package friends

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// laterTurn is a loop in which an edit before was undone.
type laterTurn struct {
	feature.Host
	home  onion.Address
	first func() error
}

func (l *laterTurn) Now() feature.Now {
	return feature.Now{Scene: feature.Scene{Config: new(config.Config), Addresses: map[string]onion.Address{config.HomeOnion: l.home}}}
}

func (l *laterTurn) Edit(_ context.Context, e feature.Edit) error {
	return errors.Join(l.first(), e.Write())
}

// An invitation is in the book in force, also when an edit before was undone and left
// another book.
func TestAnEditIsOfTheBookAtItsTurn(t *testing.T) {
	h := &laterTurn{home: address(77)}
	f := New(h, Parts{Paths: config.NewPaths(t.TempDir()), Log: slog.New(slog.DiscardHandler),
		Sign: func(string, feature.IDs, []byte) (s peer.Signature, err error) { return s, nil }})
	h.first = f.rereadBook
	if _, err := f.openBook(h.home, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Invite(t.Context(), api.InviteRequest{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if book, err := f.theBook(); err != nil || len(book.Clients()) != 1 {
		t.Errorf("the book in force has not the invitation: %v", err)
	}
}
