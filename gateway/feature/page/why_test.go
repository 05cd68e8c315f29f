package page

import (
	"encoding/json"
	"slices"
	"testing"

	"tunic/gateway/api"
)

// A device's usual connections are explained as far as there are any, and one destination
// alone if it is said.
func TestWhy(t *testing.T) {
	f, c, member, admin := furnished(t)
	var list []api.Why
	if err := json.Unmarshal(act(t, f, admin, "why", `{"device":"tv"}`).Body, &list); err != nil || len(list) != 3 || len(c.list) != 4 {
		t.Errorf("%+v, %v, %q", list, err, c.list)
	}
	if err := json.Unmarshal(act(t, f, admin, "why", `{"device":"tv","to":"192.0.2.9"}`).Body, &list); err != nil ||
		!slices.EqualFunc(list, []string{"192.0.2.9"}, func(w api.Why, to string) bool { return w.To == to }) {
		t.Errorf("%+v, %v", list, err)
	}
	if a := act(t, f, admin, "why", `{"device":"tv","to":"2001:db8:ffff::1"}`); a.Error == "" {
		t.Errorf("a destination that cannot be explained: %#v", a)
	}
	n := len(c.list)
	for _, body := range []string{`{"own":true}`, `{"device":"tv","uid":1}`, `{"to":"192.0.2.9"}`} {
		if a := act(t, f, admin, "why", body); a.Error == "" || len(c.list) != n {
			t.Errorf("%s: %#v", body, a)
		}
	}
	if a := act(t, f, member, "why", `{"device":"tv"}`); a.Error == "" || a.Body != nil || len(c.list) != n {
		t.Errorf("a member: %#v", a)
	}
}

// An admin gives an onion another address; a new identity of the box is not had here.
func TestRotate(t *testing.T) {
	f, c, _, admin := furnished(t)
	if a := act(t, f, admin, "rotate", `{"name":"photos","keep":1000,"new_identity":false}`); a.Error != "" ||
		!slices.Equal(c.list, []string{"rotate {Name:photos Keep:1µs NewIdentity:false}"}) {
		t.Errorf("%#v, %q", a, c.list)
	}
}
