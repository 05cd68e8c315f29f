package gateway

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/tor"
)

// newBox is a house whose loop runs, which signs with its own home onion.
func newBox(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, nil)
	h.friends.Sign = func(dir string, _ feature.IDs, m []byte) (s peer.Signature, err error) {
		if dir != h.Paths.OnionKeys("home") {
			t.Errorf("signed with %s", dir)
		}
		secret, err := onion.Secret(dir, os.Getuid(), os.Getgid())
		if err != nil {
			return s, err
		}
		signature, err := tor.Sign(secret, m)
		copy(s[:], signature)
		return s, err
	}
	h.running(t)
	return h
}

// spec is what tor was told last, without the box's own key, which is there for
// every private onion (TestTheBoxFindsItsOwnPrivateOnions).
func (h *house) spec() tor.Spec {
	self := h.ownKey()
	h.fakes.mu.Lock()
	defer h.fakes.mu.Unlock()
	s := h.torSpec.Clone()
	for i := range s.Onions {
		if keys := s.Onions[i].Clients; keys != nil {
			s.Onions[i].Clients = slices.DeleteFunc(slices.Clone(keys), func(k onion.ClientKey) bool { return k == self })
		}
	}
	s.Auth = slices.DeleteFunc(s.Auth, func(a tor.Auth) bool {
		public, err := a.Key.Public()
		return err == nil && public == self
	})
	return s
}

func (h *house) home() tor.Onion {
	for _, o := range h.spec().Onions {
		if o.Name == "home" {
			return o
		}
	}
	return tor.Onion{}
}

// told is what serve was told last.
func (h *house) told() link.Desired {
	h.fakes.mu.Lock()
	defer h.fakes.mu.Unlock()
	return h.served
}

func (h *house) settle(t *testing.T) {
	t.Helper()
	if err := h.do(t.Context(), func(ctx context.Context) error { h.pass(ctx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// step makes one step and expects no refusal.
func (h *house) pair(t *testing.T, m link.Pairing) link.Paired {
	t.Helper()
	r, err := h.friends.Pair(t.Context(), m)
	if r.Refusal != 0 || err != nil {
		t.Fatalf("step %d: refusal %d, %v", m.Step, r.Refusal, err)
	}
	return r
}

// makeFriends has b call a for the invitation that b has accepted.
func makeFriends(t *testing.T, a, b *house) {
	t.Helper()
	p := b.told().Peers
	if p == nil || len(p.Calls) != 1 {
		t.Fatalf("b calls %+v", p)
	}
	c := p.Calls[0]
	opened := a.pair(t, link.Pairing{Step: link.PairClaim, Invite: c.Invite, Onion: p.Self, Commit: c.Commit})
	proof := b.pair(t, link.Pairing{Step: link.PairAnswer, Invite: c.Invite, Nonce: opened.Nonce, Client: opened.Client})
	verdict := a.pair(t, link.Pairing{Step: link.PairProve, Invite: c.Invite, Onion: p.Self, Nonce: proof.Nonce,
		Client: proof.Client, Signature: proof.Signature})
	b.pair(t, link.Pairing{Step: link.PairVerify, Invite: c.Invite, Signature: verdict.Signature, Confirmed: verdict.Confirmed})
	a.pair(t, link.Pairing{Step: link.PairFinish, Invite: c.Invite, Onion: p.Self})
	b.pair(t, link.Pairing{Step: link.PairConclude, Invite: c.Invite})
	a.settle(t)
	b.settle(t)
}

func twoFriends(t *testing.T) (a, b *house) {
	t.Helper()
	a, b = newBox(t), newBox(t)
	i, err := a.friends.Invite(t.Context(), api.InviteRequest{Name: "bob", Suggest: "alice", Auto: true})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := b.friends.Accept(t.Context(), api.AcceptRequest{Word: i.Word}); err != nil || p.Name != "alice" ||
		p.State != api.PeerAccepted {
		t.Fatalf("accepted: %+v, %v", p, err)
	}
	makeFriends(t, a, b)
	return a, b
}

// Home is found by nobody, then by who has the word, then by the friend, then by
// nobody again.
func TestHomeIsForThoseWhoAreInvited(t *testing.T) {
	a, b := newBox(t), newBox(t)
	if a.home().Name != "" {
		t.Fatalf("home is published at first: %+v", a.home())
	}
	i, err := a.friends.Invite(t.Context(), api.InviteRequest{Name: "bob", Suggest: "alice", Auto: true})
	if err != nil {
		t.Fatal(err)
	}
	if home := a.home(); len(home.Clients) != 1 || !slices.Contains(home.Ports, config.PairPort) {
		t.Errorf("with an invitation home is %+v", home)
	}
	temporary := a.home().Clients[0]
	if _, err := b.friends.Accept(t.Context(), api.AcceptRequest{Word: i.Word}); err != nil {
		t.Fatal(err)
	}
	if auth := b.spec().Auth; len(auth) != 1 || auth[0].Onion != a.addressOf() {
		t.Errorf("b's keys: %+v", auth)
	}
	makeFriends(t, a, b)
	met, err := a.friends.Met(t.Context(), link.Seen{Onion: link.Key(peer.KeyOf(b.addressOf()))})
	a.settle(t)
	if home := a.home(); err != nil || len(home.Clients) != 1 || home.Clients[0] == temporary {
		t.Errorf("with a friend home is %+v, %v", home, met)
	}
	if k, err := b.spec().Auth[0].Key.Public(); err != nil || k != a.home().Clients[0] {
		t.Errorf("the friend's key is %v, %v", k, err)
	}
	if err := a.friends.Forget(t.Context(), api.PeerRequest{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if a.home().Name != "" || len(a.spec().Auth) != 0 || len(a.spec().Maps) != 0 {
		t.Errorf("after forget: %+v", a.spec())
	}
	if _, err := os.Stat(filepath.Join(a.Paths.PeerDir(), "bob.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

func (h *house) addressOf() onion.Address { return h.snapshot().in.Addresses["home"] }

// A friend has names with fixed addresses, which outlive a restart and
// forgetting, and are nobody else's.
func TestFriendsHaveFixedAddresses(t *testing.T) {
	a, b := twoFriends(t)
	photos := onion.FromPublicKey([]byte(strings.Repeat("p", 32)))
	if r, err := a.friends.Met(t.Context(), link.Seen{Onion: link.Key(peer.KeyOf(b.addressOf())), Endpoints: []string{"gopher"},
		Offers: []link.Offer{{Name: "photos", Onion: link.Key(peer.KeyOf(photos))}}}); err != nil || r.Refusal != 0 {
		t.Fatal(r, err)
	}
	a.settle(t)
	byLabel := make(map[string][]netip.Addr)
	for _, n := range a.told().DNS.Names {
		byLabel[n.Label] = n.Addrs
		if n.Box && n.Onion != link.Key(peer.KeyOf(a.addressOf())) {
			t.Errorf("the box is %+v", n)
		}
	}
	r := a.ranges
	for _, label := range []string{"bob", "photos.bob"} {
		addrs := byLabel[label]
		if len(addrs) != 2 || !r.Virtual4.Contains(addrs[0]) || !r.Virtual6.Contains(addrs[1]) {
			t.Errorf("%s has %v", label, addrs)
		}
	}
	if maps := a.spec().Maps; len(maps) != 4 {
		t.Errorf("tor maps %v", maps)
	}
	if err := a.spec().Check(); err != nil && !strings.Contains(err.Error(), "path") {
		t.Errorf("the spec: %v", err)
	}
	if len(a.spec().Auth) != 2 {
		t.Errorf("keys for %v", a.spec().Auth)
	}
	if kept, err := os.ReadFile(filepath.Join(a.Paths.State, "virtual.json")); err != nil ||
		!strings.Contains(string(kept), string(photos)) {
		t.Errorf("after a restart photos has another address: %s, %v", kept, err)
	}
}

func TestRename(t *testing.T) {
	a, b := twoFriends(t)
	if _, err := a.friends.Rename(t.Context(), api.RenameRequest{From: "bob", To: "mail"}); err == nil {
		t.Error("renamed to a reserved name")
	}
	p, err := a.friends.Rename(t.Context(), api.RenameRequest{From: "bob", To: "robert"})
	if err != nil || p.Name != "robert" || p.Address != "robert.peer.home.arpa" {
		t.Fatalf("%+v, %v", p, err)
	}
	if len(a.spec().Auth) != 1 {
		t.Error("the key for the friend is lost")
	}
	c, err := config.Load(a.Paths)
	if err != nil || len(c.Peers) != 1 || c.Peers[0].Name != "robert" || c.Peers[0].Onion != string(b.addressOf()) {
		t.Errorf("the files: %+v, %v", c, err)
	}
}

// Friendship needs no reload, and a reload changes nothing about it; a mistake
// elsewhere in the files does not stand in its way.
func TestFriendsDespiteMistakesInFiles(t *testing.T) {
	a, b := newBox(t), newBox(t)
	a.write(t, "tunic.toml", "[household]\ninterfaces = 7\n")
	i, err := a.friends.Invite(t.Context(), api.InviteRequest{Name: "bob", Suggest: "alice", Auto: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.friends.Accept(t.Context(), api.AcceptRequest{Word: i.Word}); err != nil {
		t.Fatal(err)
	}
	makeFriends(t, a, b)
	if n := len(a.told().Peers.Friends); n != 1 {
		t.Errorf("%d friends", n)
	}
	a.write(t, "tunic.toml", mainFile)
	before := a.spec()
	if err := a.Reload(t.Context()); err != nil || !before.Equal(a.spec()) {
		t.Errorf("reload: %v", err)
	}
	if plan, err := a.Plan(t.Context()); err != nil || len(plan.Changes) != 0 {
		t.Errorf("plan: %v, %v", plan.Changes, err)
	}
}

func TestErrorsOfVerbsSayWhatToDo(t *testing.T) {
	a, b := twoFriends(t)
	i, err := a.friends.Invite(t.Context(), api.InviteRequest{Name: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, try := range map[string]func() error{
		"own invitation":   func() error { _, err := a.friends.Accept(ctx, api.AcceptRequest{Word: i.Word, As: "x"}); return err },
		"no invitation":    func() error { _, err := b.friends.Accept(ctx, api.AcceptRequest{Word: i.Word[:40]}); return err },
		"a name with dots": func() error { _, err := a.friends.Invite(ctx, api.InviteRequest{Name: "a.b"}); return err },
		"nobody to forget": func() error { return a.friends.Forget(ctx, api.PeerRequest{Name: "zoe"}) },
		"nobody came":      func() error { _, err := a.friends.Confirm(ctx, api.PeerRequest{Name: "carol"}); return err },
		"one friend":       func() error { return a.friends.Introduce(ctx, api.IntroduceRequest{Names: [2]string{"bob", "zoe"}}) },
		"a taken name":     func() error { _, err := b.friends.Accept(ctx, api.AcceptRequest{Word: i.Word, As: "zoe"}); return err },
	} {
		err := try()
		f, ok := errors.AsType[*api.Failure](err)
		if !ok || f.Problem.Error == "" || !f.Usage {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A friend who is granted an onion is told of it, and finds it by their key. The
// grant goes with their name, and ends with them: a namesake gets nothing.
func TestGrantsFollowTheFriend(t *testing.T) {
	a, b := twoFriends(t)
	a.write(t, "onions/photos.toml", "# family\nprivate = true\nclients = [\"bob\"]\n[ports]\n80 = \"192.168.77.20:80\"\n")
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	photos := a.snapshot().in.Addresses["photos"]
	told := func() []link.Offer { return a.told().Peers.Friends[0].Offers }
	if want := []link.Offer{{Name: "photos", Onion: link.Key(peer.KeyOf(photos))}}; !slices.Equal(told(), want) {
		t.Errorf("told %v", told())
	}
	if _, err := a.friends.Rename(t.Context(), api.RenameRequest{From: "bob", To: "robert"}); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context()); err != nil || len(told()) != 1 {
		t.Errorf("after rename: %v, %v", told(), err)
	}
	if err := a.friends.Forget(t.Context(), api.PeerRequest{Name: "robert"}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(a.Paths.OnionDir(), "photos.toml"))
	if strings.Contains(string(text), "robert") || !strings.HasPrefix(string(text), "# family") {
		t.Errorf("the file: %s", text)
	}
	i, err := a.friends.Invite(t.Context(), api.InviteRequest{Name: "robert", Suggest: "again", Auto: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.friends.Accept(t.Context(), api.AcceptRequest{Word: i.Word}); err != nil {
		t.Fatal(err)
	}
	makeFriends(t, a, b)
	if len(told()) != 0 {
		t.Errorf("a namesake is granted %v", told())
	}
}

// ownKey is the box's own, by which it finds its private onions.
func (h *house) ownKey() onion.ClientKey {
	text, err := os.ReadFile(h.Paths.SelfKey())
	if err != nil {
		return "" // not made yet
	}
	secret, err := onion.ParseClientSecret(strings.TrimSpace(string(text)))
	if err != nil {
		panic(err)
	}
	public, err := secret.Public()
	if err != nil {
		panic(err)
	}
	return public
}
