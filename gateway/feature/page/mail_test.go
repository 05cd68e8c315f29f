package page

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"tunic/gateway/api"
)

// An admin sees what waits, has it tried, and removes what is there under its whole ID.
func TestMail(t *testing.T) {
	f, c, member, admin := furnished(t)
	var p api.Post
	if err := json.Unmarshal(act(t, f, admin, "mail", `null`).Body, &p); err != nil || p.HasMail || len(p.Letters) > 0 {
		t.Errorf("a box without mail: %+v, %v", p, err)
	}
	f.host = host{open: true, mail: true}
	if err := json.Unmarshal(act(t, f, admin, "mail", `null`).Body, &p); err != nil || !p.HasMail || len(p.Letters) != 1 ||
		!slices.Equal(p.Services, []api.Service{{Name: "imap", Active: 1}}) {
		t.Errorf("%+v, %v", p, err)
	}
	act(t, f, admin, "mail/flush", `{}`)
	act(t, f, admin, "mail/drop", `{"id":"3f2a09"}`)
	if want := []string{"flush {ID: Peer:}", "drop {ID:3f2a09 Peer:}"}; !slices.Equal(c.list, want) {
		t.Errorf("%q", c.list)
	}
	for _, id := range []string{`"3f2a"`, `""`, `"3f2a09x"`} {
		if a := act(t, f, admin, "mail/drop", `{"id":`+id+`}`); a.Error == "" || len(c.list) != 2 {
			t.Errorf("%s: %#v, %q", id, a, c.list)
		}
	}
	if a := act(t, f, member, "mail", `null`); a.Error == "" || a.Body != nil {
		t.Errorf("a member: %#v", a)
	}
	c.broken = errors.New("serve does not run")
	p = api.Post{}
	if err := json.Unmarshal(act(t, f, admin, "mail", `null`).Body, &p); err != nil || p.Why != "serve does not run" || p.Letters == nil {
		t.Errorf("%+v, %v", p, err)
	}
}
