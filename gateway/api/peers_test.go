package api

import (
	"context"
	"errors"
	"reflect"
	"testing"
)

func (f *fake) Invite(_ context.Context, r InviteRequest) (Invitation, error) {
	f.asked = append(f.asked, r)
	return Invitation{Name: r.Name, Word: "tunic:x"}, f.err
}

func (f *fake) Accept(_ context.Context, r AcceptRequest) (Peer, error) {
	f.asked = append(f.asked, r)
	return Peer{Name: r.As}, f.err
}

func (f *fake) Confirm(_ context.Context, r PeerRequest) (Peer, error) {
	f.asked = append(f.asked, r)
	return Peer{Name: r.Name}, f.err
}

func (f *fake) Peers(context.Context) ([]Peer, error) {
	return []Peer{{Name: "alice", State: PeerFriend}}, f.err
}

func (f *fake) Forget(_ context.Context, r PeerRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}

func (f *fake) Introduce(_ context.Context, r IntroduceRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}

func (f *fake) Rename(_ context.Context, r RenameRequest) (Peer, error) {
	f.asked = append(f.asked, r)
	return Peer{Name: r.To}, f.err
}

func TestPeerVerbsGoThrough(t *testing.T) {
	f := &fake{}
	c, ctx := client(t, f), t.Context()
	invite, accept, name := InviteRequest{Name: "alice", Auto: true}, AcceptRequest{Word: "tunic:x", As: "bob"}, PeerRequest{Name: "alice"}
	introduce, rename := IntroduceRequest{Names: [2]string{"a", "b"}}, RenameRequest{From: "a", To: "b"}
	if i, err := c.Invite(ctx, invite); err != nil || i.Word != "tunic:x" {
		t.Errorf("Invite: %+v, %v", i, err)
	}
	if p, err := c.Accept(ctx, accept); err != nil || p.Name != "bob" {
		t.Errorf("Accept: %+v, %v", p, err)
	}
	if p, err := c.Confirm(ctx, name); err != nil || p.Name != "alice" {
		t.Errorf("Confirm: %+v, %v", p, err)
	}
	if p, err := c.Rename(ctx, rename); err != nil || p.Name != "b" {
		t.Errorf("Rename: %+v, %v", p, err)
	}
	if list, err := c.Peers(ctx); err != nil || len(list) != 1 || list[0].State != PeerFriend {
		t.Errorf("Peers: %+v, %v", list, err)
	}
	if err := errors.Join(c.Forget(ctx, name), c.Introduce(ctx, introduce)); err != nil {
		t.Error(err)
	}
	if want := []any{invite, accept, name, rename, name, introduce}; !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %v", f.asked)
	}
}
