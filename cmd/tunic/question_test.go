package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// What serve asks at most, when it is what it should be, is far shorter than what is refused.
func TestLongestQuestion(t *testing.T) {
	long := strings.Repeat("<", 64) // each is six bytes in JSON
	seen := link.Seen{Onion: link.Key{255}}
	for range peer.MaxOffers {
		seen.Offers = append(seen.Offers, link.Offer{Name: long, Onion: full})
	}
	for range peer.MaxServices {
		seen.Services = append(seen.Services, link.ServiceOffer{Name: long, Port: 65535})
	}
	for range peer.MaxEndpoints {
		seen.Endpoints = append(seen.Endpoints, long)
	}
	for range peer.MaxIntroductions {
		seen.Introduced = append(seen.Introduced, link.Introduction{Token: [16]byte(full[:16]), Onion: full, Name: long, Expires: 1 << 60})
		seen.Delivered = append(seen.Delivered, [16]byte(full[:16]))
	}
	form, err := json.Marshal(strings.Repeat("<", 16<<10))
	if err != nil {
		t.Fatal(err)
	}
	grant := link.Grant{Device: netip.MustParseAddr("192.168.77.10"), Domain: strings.Repeat("a", 253)}
	for range 65535 / 28 { // records of one answer
		grant.Addrs = append(grant.Addrs, netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666"))
	}
	act := link.PageAct{Token: long, Verb: long, Body: form}
	for what, question := range map[string]any{"a hello": seen, "a form": act, "a name": grant} {
		text, err := json.Marshal(question)
		if err != nil {
			t.Fatal(err)
		}
		if t.Logf("%s: %d bytes", what, len(text)); 2*len(text) > longestQuestion {
			t.Errorf("%s has %d bytes of %d", what, len(text), longestQuestion)
		}
	}
}

var full = func() (k link.Key) {
	for i := range k {
		k[i] = 255
	}
	return k
}()
