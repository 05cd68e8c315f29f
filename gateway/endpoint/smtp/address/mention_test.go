package address

import (
	"fmt"
	"strings"
	"testing"

	"tunic/gateway/onion"
)

func TestMentions(t *testing.T) {
	key := string(alice)
	for text, want := range map[string]bool{
		key: true, "x" + key + "y": true, strings.ToUpper(key) + ".ONION": true, "bob@carol.PEER.home.arpa": true,
		"x.peer.peer.home.arpa.":                     true,
		strings.Join(strings.Split(key, ""), "\x00"): true, key[:55] + "a": false, key[:30] + "-" + key[30:]: false, "nas.home.arpa": false,
		"dddd" + key[4:]: false, strings.Repeat("d", 9000): false, "peer.home.arpa": false, "": false,
	} {
		if Mentions(text) != want {
			t.Errorf("Mentions(%q) = %v", text, !want)
		}
	}
}

// What is written in pieces, after any number of letters, is found as well.
func TestFinderInPieces(t *testing.T) {
	for _, text := range []string{string(alice), "x.peer.home.arpa"} {
		for before := 4000; before < 4300; before++ {
			f := &Finder{}
			for _, c := range strings.Repeat("q", before) + text + "." {
				f.Write([]byte{byte(c)})
			}
			if !f.Found() {
				t.Fatalf("%s after %d letters was not found", text, before)
			}
		}
	}
}

// However a text is made, it costs so many checksums and no more, and one without
// the last two letters of an address costs none.
func TestFinderTriesSoOften(t *testing.T) {
	for unit, want := range map[string]int{"d": 0, "ad": maxTried + 1, "yd": maxTried + 1, "bd": 0, "a": 0} {
		f := &Finder{}
		f.Write([]byte(strings.Repeat(unit, 4*maxTried)))
		if f.tried != want || f.Found() != (want > 0) {
			t.Errorf("%q: %d tries, found %v", unit, f.tried, f.Found())
		}
	}
}

// Every address ends in one of the letters before the last and in "d".
func TestLastLetters(t *testing.T) {
	for i := range 200 {
		key := string(onion.FromPublicKey([]byte(fmt.Sprintf("%032d", i))))
		if !strings.HasSuffix(key, "d") || !strings.Contains(beforeLast, key[54:55]) || !Mentions("x"+key+"x") {
			t.Fatalf("%s is not found", key)
		}
	}
}

// FuzzFinder: what is found is what is found by looking at every place.
func FuzzFinder(f *testing.F) {
	for _, s := range []string{"KEY", "dKEYd", "x.peer.home.arpa", "kKeY.onion KEY\x00", strings.Repeat("ad", 90) + "KEY"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(text, "KEY", string(alice))
		plain := strings.Map(func(r rune) rune { // as the Finder sees it, byte by byte
			switch {
			case r == 0:
				return -1
			case 'A' <= r && r <= 'Z':
				return r + 'a' - 'A'
			}
			return r
		}, text)
		want := strings.Contains(plain, Suffix)
		for i := 0; i+keyLen <= len(plain); i++ {
			_, err := onion.Parse(plain[i : i+keyLen])
			want = want || err == nil
		}
		if Mentions(text) != want {
			t.Fatalf("%q: found %v", text, !want)
		}
	})
}
