package link

import (
	"fmt"
	"strings"
	"testing"
)

// Whatever somebody logs of what serve is told, no secret of it is written.
func TestSecretsHideFromLogs(t *testing.T) {
	token := [16]byte{201, 202, 203}
	d := Desired{
		TLS:   &TLS{Cert: "certificate", Key: "hidden-key"},
		Users: Users{Secret: "hidden-secret", List: []User{{Name: "ann", Role: "admin", Record: "hidden-record"}}},
		Mail:  &Mail{Smarthost: &Smarthost{Host: "mail.example.org", User: "household", Password: "hidden-password"}},
		Peers: &Peers{Friends: []Friend{{Introduced: []Introduction{{Token: token, Name: "bob"}}}}},
	}
	for _, what := range []any{d, &d, *d.TLS, d.TLS, d.Users, &d.Users, d.Users.List, d.Users.List[0], *d.Mail, d.Mail,
		*d.Mail.Smarthost, d.Mail.Smarthost, *d.Peers, d.Peers, d.Peers.Friends[0], d.Peers.Friends[0].Introduced[0],
		PageLogin{Password: "hidden", Code: "hidden"}, PageCode{Token: "hidden", Code: "hidden"},
		PagePass{Token: "hidden", Secret: "hidden"},
		PageAct{Token: "hidden", Body: []byte(`"hidden"`)}, PageAnswer{Body: []byte(`"hidden"`)}} {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			text := strings.ToLower(fmt.Sprintf(verb, what))
			if strings.Contains(text, "hidden") || strings.Contains(text, "201 202 203") || strings.Contains(text, "0xc9, 0xca, 0xcb") {
				t.Errorf("%T as %s says %s", what, verb, text)
			}
		}
	}
}
