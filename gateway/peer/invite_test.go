package peer

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"tunic/gateway/onion"
)

// box is the home onion that a seed gives.
func box(seed byte) (onion.Address, ed25519.PrivateKey) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
	return onion.FromPublicKey(key.Public().(ed25519.PublicKey)), key
}

func anInvite(name string) Invite {
	home, _ := box(0)
	return Invite{Onion: home, Token: Token{1, 2, 3, 15: 9}, Expires: time.Unix(1795650000, 0).UTC(), Name: name}
}

func TestInviteComesBack(t *testing.T) {
	for _, name := range []string{"", "a", "alice", strings.Repeat("x", 30)} {
		i := anInvite(name)
		word := i.Word()
		for _, text := range []string{word, strings.ToUpper(word), "  " + word[:20] + "\r\n\t" + word[20:50] + "\n " + word[50:] + "\n"} {
			if got, err := ParseInvite(text); err != nil || got != i {
				t.Errorf("%q: %+v, %v", text, got, err)
			}
		}
		if !strings.HasPrefix(word, "tunic:") || strings.ContainsAny(word, " \n=") || len(word) > 150 {
			t.Errorf("the word is %q", word)
		}
	}
}

// Whatever letter is wrong, missing or too much, it is noticed.
func TestInviteChecksum(t *testing.T) {
	word := anInvite("alice").Word()
	for i := range word {
		for _, bad := range []string{word[:i] + "7" + word[i+1:], word[:i] + word[i+1:], word[:i] + "a" + word[i:], word[:i]} {
			if bad == word {
				continue
			}
			if got, err := ParseInvite(bad); err == nil {
				t.Fatalf("%q was taken for %+v", bad, got)
			} else if strings.Contains(err.Error(), word[10:30]) {
				t.Fatalf("the error repeats the word: %v", err)
			}
		}
	}
}

// A word is written in one way alone: bits that stand for nothing are zero.
func TestInviteHasOneSpelling(t *testing.T) {
	spellings := 0
	for _, name := range []string{"", "a", "al", "ali", "alic"} {
		word := anInvite(name).Word()
		for _, last := range "abcdefghijklmnopqrstuvwxyz234567" {
			if _, err := ParseInvite(word[:len(word)-1] + string(last)); err == nil {
				spellings++
			}
		}
	}
	if spellings != 5 {
		t.Errorf("five words have %d spellings", spellings)
	}
}

func TestInviteOfAnotherKind(t *testing.T) {
	later := append([]byte{inviteVersion + 1}, make([]byte, 90)...)
	if _, err := ParseInvite(invitePrefix + noPadding.EncodeToString(later)); !errors.Is(err, ErrVersion) {
		t.Errorf("a later version: %v", err)
	}
	for _, name := range []string{"mail", "xn--a", "-a", "A", "a b"} {
		if _, err := ParseInvite(anInvite(name).Word()); !errors.Is(err, ErrInvite) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	for _, word := range []string{"", "tunic:", "alice", "https://example.com", "tunic:ä", "tunic:" + strings.Repeat("a", 5000)} {
		if _, err := ParseInvite(word); !errors.Is(err, ErrInvite) {
			t.Errorf("%q: %v", word, err)
		}
	}
}

// Whoever pastes something else, or not all of it, learns what is wrong with it.
func TestInviteSaysWhatIsWrong(t *testing.T) {
	i := anInvite("alice")
	word := i.Word()
	for text, want := range map[string]string{
		"abc":                            "it does not begin with tunic:",
		word[len("tunic:"):]:             "it does not begin with tunic:",
		i.Onion.Host():                   "it is the address of an onion",
		"http://" + i.Onion.Host() + "/": "it is the address of an onion",
		"tunic:":                         "it is cut off, with 0 letters and digits after tunic: instead of 92 or more",
		word[:80]:                        "it is cut off, with 74 letters and digits after tunic: instead of 92 or more",
		word + word[len("tunic:"):]:      "it is too long, with 200 letters and digits after tunic: instead of 140 at most",
		word[:40] + "0" + word[41:]:      "'0' is in it, and there are only the letters a to z and the digits 2 to 7",
		word + " --as alice":             "a part of a command stands behind it",
		word[:len(word)-1]:               "a letter in it is wrong or missing",
	} {
		if _, err := ParseInvite(text); !errors.Is(err, ErrInvite) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"tunic accept " + word, "sudo tunic accept '" + word + "'",
		"`" + strings.ToUpper("tunic accept "+word) + "`\n"} {
		if got, err := ParseInvite(text); err != nil || got != i {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestTokenSecretsDiffer(t *testing.T) {
	a, b := Token{1}, Token{2}
	ka, errA := a.Client()
	kb, errB := b.Client()
	if errA != nil || errB != nil || ka == kb || a.ID() == b.ID() || string(a[:]) == a.String() {
		t.Errorf("%v %v %v %v", errA, errB, a.ID(), b.ID())
	}
}

func FuzzInvite(f *testing.F) {
	f.Add(anInvite("").Word())
	f.Add(strings.ToUpper(anInvite("alice").Word()))
	f.Add("tunic:aaaa")
	f.Add("TUNIC: a\nb")
	f.Fuzz(func(t *testing.T, word string) {
		i, err := ParseInvite(word)
		if err != nil {
			return
		}
		if again, err := ParseInvite(i.Word()); err != nil || again != i {
			t.Errorf("%q became %+v, then %+v, %v", word, i, again, err)
		}
	})
}

func TestWords(t *testing.T) {
	if got := Words([32]byte{0, 0, 255, 255}); got != "aardvark adroitness Zulu Yucatan" {
		t.Errorf("words: %s", got)
	}
	seen := make(map[string]bool)
	for _, list := range wordLists {
		if len(list) != 256 {
			t.Errorf("%d words", len(list))
		}
		for _, w := range list {
			if seen[strings.ToLower(w)] {
				t.Errorf("%s is there twice", w)
			}
			seen[strings.ToLower(w)] = true
		}
	}
}
