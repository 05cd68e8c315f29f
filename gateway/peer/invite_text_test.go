package peer

import (
	"strings"
	"testing"
)

// A word is read as it comes out of a mail program or a messenger.
func TestInviteOutOfText(t *testing.T) {
	want := anInvite("alice")
	word := want.Word()
	half := len(word) / 2
	for what, text := range map[string]string{
		"angle": "<" + word + ">", "full stop": word + ".", "quoted": "> " + word[:half] + "\r\n> " + word[half:],
		"zero width": word[:half] + "\u200b" + word[half:], "soft hyphen": word[:half] + "\u00ad" + word[half:],
		"quotes": "“" + word + "”", "quoted-printable": word[:half] + "=\r\n" + word[half:],
		"link": strings.Replace(word, ":", "://", 1), "NBSP, upper case": strings.ToUpper(word) + "\u00a0",
	} {
		if got, err := ParseInvite(text); err != nil || got != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, text := range map[string]string{"a letter less": word[:len(word)-1], "another letter": word[:half] + "7a7a" + word[half+4:],
		"a sign": word[:half] + "%" + word[half:]} {
		if _, err := ParseInvite(text); err == nil {
			t.Errorf("%s: it is read", what)
		}
	}
}
