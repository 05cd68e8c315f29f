package socks

import "testing"

// A name with a final dot is the same name for tor, and an address with one is
// an address: in the house it is refused.
func TestFinalDot(t *testing.T) {
	tor := newFakeTor(t)
	p := newProxy(t, Options{DialTor: tor.dial})
	if code := open(t, p.connect(t, ""), requestTo("web.example.", 80)); code != 0 {
		t.Errorf("reply %d", code)
	}
	if got := tor.asked(); len(got) != 1 || got[0].to != "name web.example:80" {
		t.Errorf("tor was asked %v", got)
	}
	for _, host := range []string{".", "192.168.77.1."} {
		if code := open(t, p.connect(t, ""), requestTo(host, 80)); code != 2 {
			t.Errorf("%s: reply %d", host, code)
		}
	}
}
