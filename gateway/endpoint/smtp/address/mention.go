package address

import (
	"bytes"
	"strings"

	"tunic/gateway/onion"
)

// keyLen is how many letters and digits of base32 an onion's address has.
const keyLen = 56

// Finder looks for onions in a text of any length that is written to it: an
// address of 56 letters whose checksum is right, wherever it stands, and a name
// below Suffix. It looks past case and past zero bytes, which text of two bytes a
// letter is full of. A text that has maxTried of what only a checksum tells from an
// address counts as one that has an address.
type Finder struct {
	last  []byte // what was written last, in lower case
	run   int    // how many letters of base32 it ends in
	tried int    // how many checksums were computed
	hit   bool
}

// maxTried bounds the checksums of one text: a hostile one wants one for every
// second letter. One in 65,536 is right by chance, so a text with so many has an
// address as likely as not; 25 MB of a picture in base64 have some hundred.
const maxTried = 1 << 16

// beforeLast are the letters of which one stands before the "d" that ends every
// address of version 3: the version is their last three bits and the five of "d".
const beforeLast = "aiqy"

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
	case c == 'd' && f.run >= keyLen && strings.IndexByte(beforeLast, f.last[len(f.last)-2]) >= 0:
		f.tried++
		_, err := onion.Parse(string(f.last[len(f.last)-keyLen:]))
		f.hit = err == nil || f.tried > maxTried
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
