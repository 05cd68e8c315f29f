package address

import (
	"strings"
	"testing"
)

func TestMentions(t *testing.T) {
	key := string(alice)
	for text, want := range map[string]bool{
		key: true, "x" + key + "y": true, strings.ToUpper(key) + ".ONION": true, "bob@carol.PEER.home.arpa": true, "x.peer.peer.home.arpa.": true,
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
