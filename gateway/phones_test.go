package gateway

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

func phoneHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, map[string]string{"endpoints/smtp.toml": "", "endpoints/xmpp.toml": ""})
	h.running(t)
	if _, err := h.people.AddUser(t.Context(), api.UserRequest{Name: "ann", Password: chips}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.AddUser(t.Context(), api.UserRequest{Name: "bob", Password: chips}); err != nil {
		t.Fatal(err)
	}
	return h
}

// frontOf is what serve was told of an onion.
func (h *house) frontOf(name string) (f link.Front, ok bool) {
	all := h.sent().Fronts
	i := slices.IndexFunc(all, func(f link.Front) bool { return f.Onion == name })
	if i < 0 {
		return f, false
	}
	return all[i], true
}

// A phone has an onion for its key alone, which counts as one visitor and has a certificate
// by its names; removed, all that is gone, the keys too.
func TestPhoneComesAndGoes(t *testing.T) {
	h := phoneHouse(t)
	p, err := h.phones.AddPhone(t.Context(), api.PhoneRequest{Name: "annphone", User: "ann", Key: aliceClient})
	if err != nil || p.Address == "" || !strings.HasPrefix(p.Login, "ann@") || !slices.Equal(p.Ports, []uint16{587, 993, 5222, 5281}) {
		t.Fatalf("%+v, %v", p, err)
	}
	if o := h.torOnion("away-annphone"); o == nil || !slices.Equal(o.Clients[:1], []onion.ClientKey{aliceClient}) {
		t.Errorf("tor has %+v", o)
	}
	if f, ok := h.frontOf("away-annphone"); !ok || f.Phone != "annphone" || len(f.Ports) != 4 {
		t.Errorf("serve has %+v", f)
	}
	sent := h.sent()
	if len(sent.PhoneTLS) != 1 {
		t.Fatalf("%d certificates", len(sent.PhoneTLS))
	}
	names := certified(t, sent.PhoneTLS[0])
	if want := []string{p.Address, strings.TrimSuffix(p.Address, ".onion") + ".peer.home.arpa"}; !slices.Equal(names, want) {
		t.Errorf("its certificate is for %q, want %q", names, want)
	}
	if slices.Contains(certified(t, *sent.TLS), p.Address) { // friends see that one
		t.Error("everybody is shown the address of the phone")
	}
	for _, own := range sent.DNS.Own {
		if own.Label == "away-annphone" {
			t.Error("the house calls the phone's onion by a name")
		}
	}
	if s := h.Gateway.Status(t.Context()); len(s.Phones) != 1 || s.Phones[0].Name != "annphone" || s.Phones[0].ShutOut {
		t.Errorf("status: %+v", s.Phones)
	}
	if err := h.phones.RemovePhone(t.Context(), api.PhoneName{Name: "annphone"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.frontOf("away-annphone"); ok || h.torOnion("away-annphone") != nil || len(h.sent().PhoneTLS) > 0 {
		t.Error("it can be reached after it was removed")
	}
	left, _ := os.ReadDir(h.Paths.CA())
	for _, path := range []string{h.Paths.PhoneFile("annphone"), h.Paths.OnionKeys("away-annphone")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "phone-") {
			t.Errorf("%s is there", e.Name())
		}
	}
	again, err := h.phones.AddPhone(t.Context(), api.PhoneRequest{Name: "annphone", User: "ann", Key: aliceClient})
	if err != nil || again.Address == p.Address {
		t.Errorf("the next one of that name has the same address: %+v, %v", again, err)
	}
}

// certified are the names in a certificate.
func certified(t *testing.T, c link.TLS) []string {
	t.Helper()
	block, _ := pem.Decode([]byte(c.Cert))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.DNSNames
}

// What cannot be is refused, and leaves nothing behind.
func TestPhonesAreRefused(t *testing.T) {
	h := phoneHouse(t)
	if _, err := h.phones.AddPhone(t.Context(), api.PhoneRequest{Name: "one", User: "ann", Key: aliceClient}); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{"one": `there is already a phone called "one"`,
		"Zwei": `"Zwei" is not a valid name for a phone`, strings.Repeat("x", 31): "not a valid name for a phone"} {
		if _, err := h.phones.AddPhone(t.Context(), api.PhoneRequest{Name: what, User: "ann", Key: bobClient}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, r := range map[string]api.PhoneRequest{
		"nobody's":       {Name: "two", User: "carol", Key: bobClient},
		"another's key":  {Name: "two", User: "ann", Key: aliceClient},
		"the same name":  {Name: "one", User: "ann", Key: bobClient},
		"no name":        {Name: "../two", User: "ann", Key: bobClient},
		"no key":         {Name: "two", User: "ann"},
		"a long name":    {Name: strings.Repeat("x", 26), User: "ann", Key: bobClient},
		"no user at all": {Name: "two", Key: bobClient},
	} {
		_, err := h.phones.AddPhone(t.Context(), r)
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Lstat(h.Paths.OnionKeys("away-two")); err == nil {
		t.Error("keys were made for a phone that was refused")
	}
	for _, forget := range []bool{false, true} {
		err := h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "away-one", ForgetKey: forget})
		if err == nil || !strings.Contains(err.Error(), "onion of a phone") {
			t.Errorf("unpublishing: %v", err)
		}
	}
	if _, ok := h.frontOf("away-one"); !ok {
		t.Error("the phone that was there is not any more")
	}
	if err := h.phones.RemovePhone(t.Context(), api.PhoneName{Name: "two"}); err == nil {
		t.Error("nobody's phone is removed")
	}
	bare := newHouse(t, nil)
	bare.running(t)
	if _, err := bare.phones.AddPhone(t.Context(), api.PhoneRequest{Name: "one", User: "ann", Key: aliceClient}); err == nil ||
		!strings.Contains(err.Error(), "neither mail nor chat") {
		t.Errorf("a phone for nothing: %v", err)
	}
}

// With its user a phone goes, is spoken of, and comes back with the same address.
func TestPhoneOfNobody(t *testing.T) {
	h := phoneHouse(t)
	p, err := h.phones.AddPhone(t.Context(), api.PhoneRequest{Name: "bobs", User: "bob", Key: bobClient})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.people.RemoveUser(t.Context(), api.UserRequest{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.frontOf("away-bobs"); ok || h.torOnion("away-bobs") != nil {
		t.Error("a phone of nobody comes in")
	}
	if s := h.Gateway.Status(t.Context()); !slices.Contains(h.codes(t), "phone-shut-out") || len(s.Phones) != 1 || !s.Phones[0].ShutOut {
		t.Errorf("%v, %+v", h.codes(t), s.Phones)
	}
	if _, err := h.people.AddUser(t.Context(), api.UserRequest{Name: "bob", Password: chips}); err != nil {
		t.Fatal(err)
	}
	if f, ok := h.frontOf("away-bobs"); !ok || f.Host != p.Address || slices.Contains(h.codes(t), "phone-shut-out") {
		t.Errorf("%+v, %v", f, h.codes(t))
	}
}

// A phone's onion that has another address is reached by both, and has both in its
// certificate, until the old one ends.
func TestPhoneRotates(t *testing.T) {
	h := phoneHouse(t)
	p, err := h.phones.AddPhone(t.Context(), api.PhoneRequest{Name: "one", User: "ann", Key: aliceClient})
	if err != nil {
		t.Fatal(err)
	}
	o, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "away-one", Keep: 1e12})
	if err != nil || o.Address == p.Address {
		t.Fatalf("%+v, %v", o, err)
	}
	if names := certified(t, h.sent().PhoneTLS[0]); !slices.Contains(names, p.Address) || !slices.Contains(names, o.Address) {
		t.Errorf("its certificate is for %q", names)
	}
}
