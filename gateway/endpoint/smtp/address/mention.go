package address

import (
	"bytes"

	"tunic/gateway/onion"
)

// keyLen is how many letters and digits of base32 an onion's address has.
const keyLen = 56

// Finder looks for onions in a text of any length that is written to it: an
// address of 56 letters whose checksum is right, wherever it stands, and a name
// below Suffix. It looks past case and past zero bytes, which text of two bytes a
// letter is full of.
type Finder struct {
	last []byte // what was written last, in lower case
	run  int    // how many letters of base32 it ends in
	hit  bool
}

// Found reports whether there was one.
func (f *Finder) Found() bool { return f.hit }

// Write implements io.Writer. It never fails.
func (f *Finder) Write(p []byte) (int, error) {
	for _, c := range p {
		if f.hit || c == 0 {
			continue
		}
		f.see(c)
	}
	return len(p), nil
}

func (f *Finder) see(c byte) {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	if len(f.last) == cap(f.last) {
		f.last = append(make([]byte, 0, 4<<10), f.last[max(0, len(f.last)-keyLen):]...)
	}
	f.last = append(f.last, c)
	if f.run++; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
		f.run = 0
	}
	switch {
	case c == 'd' && f.run >= keyLen: // the last letter of every address of version 3
		_, err := onion.Parse(string(f.last[len(f.last)-keyLen:]))
		f.hit = err == nil
	case c == Suffix[len(Suffix)-1]:
		f.hit = bytes.HasSuffix(f.last, []byte(Suffix))
	}
}

// Mentions reports whether a Finder finds something in a text.
func Mentions(text string) bool {
	f := &Finder{}
	f.Write([]byte(text))
	return f.hit
}
