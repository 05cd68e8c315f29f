package gateway

import (
	"context"
	"os"
	"strings"
	"testing"

	"tunic/gateway/api"
)

// What tor refuses of friends and invitations is undone whole, and can be asked
// for again; so is what a broken file of another onion stands in the way of.
func TestPeerVerbsUndo(t *testing.T) {
	const granted = "private = true\nclients = [\"bob\"]\n[ports]\n80 = \"192.168.77.20:80\"\n"
	stranger := newBox(t)
	i, err := stranger.friends.Invite(t.Context(), api.InviteRequest{Name: "us", Suggest: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	for name, verb := range map[string]struct {
		do func(context.Context, *house) error
		by string
	}{
		"invite": {func(ctx context.Context, h *house) error {
			_, err := h.friends.Invite(ctx, api.InviteRequest{Name: "dave", Auto: true})
			return err
		}, "tor"},
		"accept": {func(ctx context.Context, h *house) error {
			_, err := h.friends.Accept(ctx, api.AcceptRequest{Word: i.Word})
			return err
		}, "tor"},
		"forget": {func(ctx context.Context, h *house) error {
			return h.friends.Forget(ctx, api.PeerRequest{Name: "bob"})
		}, "tor file"},
		"forget an invitation": {func(ctx context.Context, h *house) error {
			return h.friends.Forget(ctx, api.PeerRequest{Name: "carol"})
		}, "tor"},
		"rename": {func(ctx context.Context, h *house) error {
			_, err := h.friends.Rename(ctx, api.RenameRequest{From: "bob", To: "robert"})
			return err
		}, "file"},
	} {
		for _, refusal := range []string{"tor", "rules", "file"} {
			h, _ := twoFriends(t)
			h.write(t, "onions/photos.toml", granted)
			if err := h.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := h.friends.Invite(t.Context(), api.InviteRequest{Name: "carol"}); err != nil {
				t.Fatal(err)
			}
			broken := h.Paths.OnionFile("zzz")
			if refusal == "file" {
				h.write(t, "onions/zzz.toml", "[ports\n")
			}
			h.set(func() { h.fail[refusal] = errBroken })
			people, _ := h.friends.Peers(t.Context())
			failed := h.unchanged(t, name+", refused by "+refusal, func() error { return verb.do(t.Context(), h) })
			if want := strings.Contains(verb.by, refusal); failed != want {
				t.Errorf("%s, when %s refuses: failed %v", name, refusal, failed)
			}
			if !failed {
				continue
			}
			if now, err := h.friends.Peers(t.Context()); err != nil || len(now) != len(people) || now[0].Name != people[0].Name {
				t.Errorf("%s, undone: %+v, were %+v, %v", name, now, people, err)
			}
			h.set(func() { delete(h.fail, refusal) })
			os.Remove(broken)
			if err := verb.do(t.Context(), h); err != nil {
				t.Errorf("%s, again when nobody refuses: %v", name, err)
			}
		}
	}
}
