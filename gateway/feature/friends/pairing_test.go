package friends

import (
	"log/slog"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// waker counts how often the loop is woken.
type waker struct {
	feature.Host
	times int
}

func (w *waker) Wake() { w.times++ }
func (w *waker) Soon() { w.times++ }

func keyOf(a onion.Address) link.Key { return link.Key(peer.KeyOf(a)) }

// What changes nothing wakes nobody: refused claims of strangers, and hellos
// that come too soon.
func TestNobodyIsWokenForNothing(t *testing.T) {
	h := new(waker)
	f := New(h, Parts{Paths: config.NewPaths(t.TempDir()), Log: slog.New(slog.DiscardHandler),
		Sign: func(string, feature.IDs, []byte) (s peer.Signature, err error) { return s, nil }})
	book, err := f.openBook(address(77), nil)
	if err != nil {
		t.Fatal(err)
	}
	woken := func() bool {
		was := h.times
		h.times = 0
		return was > 0
	}
	invite, err := book.Invite("bob", "", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []link.PairStep{link.PairClaim, link.PairProve, link.PairAnswer, link.PairVerify, link.PairFail} {
		if r, _ := f.Pair(t.Context(), link.Pairing{Step: step, Invite: [16]byte{1}, Onion: keyOf(address(1))}); step < link.PairFinish &&
			r.Refusal == 0 {
			t.Fatalf("step %d of a stranger: %+v", step, r)
		} else if woken() {
			t.Errorf("step %d of a stranger wakes the loop", step)
		}
	}
	if f.Met(t.Context(), link.Seen{Onion: keyOf(address(1))}); woken() {
		t.Error("the hello of a stranger wakes the loop")
	}
	claim := link.Pairing{Step: link.PairClaim, Invite: invite.Token.ID(), Onion: keyOf(address(1))}
	if r, err := f.Pair(t.Context(), claim); err != nil || r.Refusal != 0 || !woken() {
		t.Errorf("a claim that is right: %+v, or nobody is woken", r)
	}
	if f.Pair(t.Context(), claim); woken() {
		t.Error("the same claim again wakes the loop")
	}
}
