package machine

import "testing"

func TestParseResolvConf(t *testing.T) {
	got := parseResolvConf("# x\nnameserver 10.0.0.1\nnameserver fe80::1%wan\nsearch lan\nnameserver\nnameserver nonsense\n" +
		"  nameserver 2001:db8::1 # y\n")
	if len(got) != 3 || got[2].String() != "2001:db8::1" {
		t.Errorf("got %v", got)
	}
}
