package page

import (
	"net/url"
	"strings"
	"testing"
)

func connection(to, port, protocol string) url.Values {
	return url.Values{"device": {"tv"}, "to": {to}, "port": {port}, "protocol": {protocol}}
}

// What is no address, port or time of the list is asked of nobody.
func TestFormsThatAreWrong(t *testing.T) {
	for want, c := range map[string]struct {
		verb string
		form url.Values
	}{
		"This is no IP address.":               {"why", connection("bank.example", "443", "tcp")},
		"This is no port (1 to 65535)":         {"why", connection("192.0.2.1", "0", "tcp")},
		"or no protocol of the list.":          {"why", connection("192.0.2.1", "1", "icmp")},
		"This is no time from the list. Nothi": {"rotate", url.Values{"name": {"photos"}, "keep": {"1h"}, "sure": {"yes"}}},
	} {
		b := inhabited(t)
		if w := post(newSite(b), "/do/"+c.verb, "admin", c.form); w.Code != 400 || !strings.Contains(w.Body.String(), want) ||
			len(b.changes()) > 0 {
			t.Errorf("%s: %d, %q, %s", want, w.Code, b.changes(), w.Body)
		}
	}
}

// What the box says of a connection is text, whatever a device is called.
func TestWhyIsText(t *testing.T) {
	b := inhabited(t)
	e := quoted(evil)
	b.answers["admin why"] = `[{"from":` + e + `,"to":` + e + `,"end":` + e + `,"result":` + e + `,"rules":[{"rule":` + e + `}]}]`
	body := strange(post(newSite(b), "/do/why", "admin", url.Values{"device": {evil}}).Body.String())
	if strings.Contains(body, "<script") || !strings.Contains(body, "&lt;script") {
		t.Errorf("%s", body)
	}
}
