package netfilter

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

func TestSamePrinted(t *testing.T) {
	const device = " -m mac --mac-source 02:00:00:00:00:01 -j X"
	for _, c := range []struct {
		rule, printed string
		same          bool
	}{
		{"-j DROP", "-j DROP", true},
		{"-j DROP", "-j ACCEPT", false},
		{"-s 10.0.0.1 -d 10.0.0.2/32 -j X", "-s 10.0.0.1/32 -d 10.0.0.2/32 -j X", true},
		{"-s 10.0.0.1 -d 10.0.0.2 -j X", "-s 10.0.0.2/32 -d 10.0.0.1/32 -j X", false},
		{"-s fd00::1 -j X", "-s fd00::1/128 -j X", true},
		{"-s fd00::1 -j X", "-s fd00::1/32 -j X", false},
		{"-d 10.0.0.1/32 -p 50 -j X", "-d 10.0.0.1/32 -p esp -j X", true},
		{"-p 50 -j X", "-p ah -j X", false},
		{"-s fd77::/64 -m devgroup --src-group 0x77 -p udp -m udp --dport 9 -j X",
			"-s fd77::/64 -p udp -m devgroup --src-group 0x77 -m udp --dport 9 -j X", true},
		{"! -p tcp -j X", "-p tcp -j X", false},
		{"! -p tcp -m conntrack --ctstate NEW -j X", "! -p tcp -m conntrack --ctstate NEW -j X", true},
		{"! -d 10.0.0.0/8 -p tcp -j X", "-d 10.0.0.0/8 ! -p tcp -j X", false},
		{"-p", "-p tcp", false},
		{"-i a" + device, "-i a" + device, true},
	} {
		if got := samePrinted(c.rule, c.printed); got != c.same {
			t.Errorf("%q and %q: %v", c.rule, c.printed, got)
		}
	}
}

func TestProtocolOf(t *testing.T) {
	for rule, want := range map[string]protocol{
		"-j DROP":                         {},
		"-p tcp -j DROP":                  {number: 6},
		"! -p icmp -j DROP":               {1, true},
		"-s fe80::/10 -p ipv6-icmp -j X":  {number: 58},
		"-d 10.0.0.1/32 -p 50 -j X":       {number: 50},
		"! -d 10.0.0.1/32 -p udp -j X":    {number: 17},
		"-m x --y -p-is-no-protocol -j X": {},
	} {
		if got := protocolOf(rule); got != want {
			t.Errorf("%q: %+v", rule, got)
		}
	}
}

// TestAnotherDevice: a rule that was read for one device is sent for another.
func TestAnotherDevice(t *testing.T) {
	id := tableID{rules.IPv4, "mangle"}
	const rule = "-m mac --mac-source 02:00:00:00:00:01 -j X"
	text, mac := withoutMAC(rule)
	if text != "-m mac --mac-source * -j X" || !bytes.Equal(mac, []byte{2, 0, 0, 0, 0, 1}) {
		t.Fatalf("%q, %v", text, mac)
	}
	k := &Kernel{written: map[ruleKey]written{{id, text}: {expressions: append([]byte("mac:"), mac...), mac: mac}}}
	got, ok := k.find(id, "-m mac --mac-source 02:00:00:00:00:ff -j X")
	if !ok || string(got.expressions) != "mac:\x02\x00\x00\x00\x00\xff" {
		t.Errorf("%q", got.expressions)
	}
	if again, _ := k.find(id, rule); string(again.expressions) != "mac:\x02\x00\x00\x00\x00\x01" {
		t.Errorf("the first one became %q", again.expressions)
	}
	if _, ok := k.find(tableID{rules.IPv6, "mangle"}, rule); ok {
		t.Error("a rule of one family is known for the other")
	}
	for _, other := range []string{"-m mac --mac-source 02:00 -j X", "-m mac --mac-source", "-j X"} {
		if _, mac := withoutMAC(other); mac != nil {
			t.Errorf("%q is about %v", other, mac)
		}
	}
}

// TestBatch reads the messages back.
func TestBatch(t *testing.T) {
	var b batch
	id := tableID{rules.IPv6, "nat"}
	b.begin()
	b.empty(id, "TUNIC-A")
	b.add(id, "TUNIC-A", 7, written{expressions: []byte{1, 2, 3}, userdata: []byte{9}}, protocol{6, true})
	b.end()
	var kinds, flags []uint16
	for rest := b.data; len(rest) > 0; rest = rest[binary.NativeEndian.Uint32(rest):] {
		kinds, flags = append(kinds, binary.NativeEndian.Uint16(rest[4:])), append(flags, binary.NativeEndian.Uint16(rest[6:]))
		if n := binary.NativeEndian.Uint32(rest); n%4 != 0 || n > uint32(len(rest)) {
			t.Fatalf("a message of %d bytes", n)
		}
	}
	const subsystem = unix.NFNL_SUBSYS_NFTABLES << 8
	if len(kinds) != 4 || kinds[0] != unix.NFNL_MSG_BATCH_BEGIN || kinds[1] != subsystem|unix.NFT_MSG_DELRULE ||
		kinds[2] != subsystem|unix.NFT_MSG_NEWRULE || kinds[3] != unix.NFNL_MSG_BATCH_END {
		t.Errorf("messages %#x", kinds)
	}
	for i, f := range flags {
		if (f&unix.NLM_F_ACK != 0) != (i == 2) {
			t.Errorf("message %d has the flags %#x", i, f)
		}
	}
	attrs := attributes(b.data[b.last+20:])
	compat := attributes(attrs[unix.NFTA_RULE_COMPAT])
	if text(attrs[unix.NFTA_RULE_CHAIN]) != "TUNIC-A" || !bytes.Equal(attrs[unix.NFTA_RULE_EXPRESSIONS], []byte{1, 2, 3}) ||
		!bytes.Equal(attrs[unix.NFTA_RULE_USERDATA], []byte{9}) || number(compat[unix.NFTA_RULE_COMPAT_PROTO]) != 6 ||
		number(compat[unix.NFTA_RULE_COMPAT_FLAGS]) != unix.NFT_RULE_COMPAT_F_INV || attrs[unix.NFTA_RULE_POSITION][7] != 7 {
		t.Errorf("the rule has %v", attrs)
	}
}

// TestUncounted: counters of a rule begin at nothing, and nothing else changes.
func TestUncounted(t *testing.T) {
	var b batch
	element := func(name string, kind uint16) {
		at := b.nest(unix.NFTA_LIST_ELEM)
		b.name(unix.NFTA_EXPR_NAME, name)
		data := b.nest(unix.NFTA_EXPR_DATA)
		b.attribute(kind, []byte{1, 2, 3, 4, 5, 6, 7, 8})
		b.closeNest(data)
		b.closeNest(at)
	}
	element("other", unix.NFTA_COUNTER_BYTES)
	element("counter", unix.NFTA_COUNTER_PACKETS)
	element("counter", unix.NFTA_COUNTER_BYTES)
	value := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	got := uncounted(bytes.Clone(b.data))
	if len(got) != len(b.data) || bytes.Count(got, value) != 1 || bytes.Index(got, value) != bytes.Index(b.data, value) {
		t.Errorf("%v became %v", b.data, got)
	}
	uncounted([]byte{1, 0, 0, 0})
	uncounted([]byte{200, 0, 0, 0, 1})
}
