package page

import (
	"strings"
	"testing"
)

// What a friend offers is shown with its port, to admins and members, and a name of it
// is text.
func TestOffersOfFriends(t *testing.T) {
	s := newSite(inhabited(t)).Secure()
	for _, who := range []string{"admin", "member"} {
		body := get(s, "https://box.home.arpa/friends", "Cookie", cookieName+"="+who).Body.String()
		for _, want := range []string{"Lets this house use:</p><ul><li>&lt;script&gt;", "<li>finger, port 79</li>",
			"<li>files: on the box, tunic send &lt;", "<li>talking by typing: on the box, tunic chat &lt;"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in %s", who, want, body)
			}
		}
	}
}
