package netfilter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
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

// chainOf is a load of one chain into the filter of IPv4.
func chainOf(name string, list ...string) load {
	return load{table: rules.Table{Family: rules.IPv4, Name: "filter"}, chains: []rules.Chain{{Name: name, Rules: list}}}
}

// TestSpares: iptables translates each rule once, and for one device what is so for all.
func TestSpares(t *testing.T) {
	const mac = "-m mac --mac-source 02:00:00:00:00:0"
	id := tableID{rules.IPv4, "filter"}
	k := &Kernel{written: map[ruleKey]written{{id, "-j KNOWN"}: {expressions: []byte{1}}}}
	loads := []load{chainOf("TUNIC-A", "-j KNOWN", mac+"1 -j X", mac+"2 -j X", mac+"2 -j Y", "-j Z"), chainOf("TUNIC-B", "-j KNOWN")}
	got := k.spares(loads)
	if len(got) != 1 || !got[0].equal(chainOf(spareChain, mac+"1 -j X", mac+"2 -j Y", "-j Z")) || got[0].hooks != nil {
		t.Errorf("%+v", got)
	}
	for i := range maxWritten + 1 {
		k.written[ruleKey{id, strconv.Itoa(i)}] = written{}
	}
	if got := k.spares(loads[1:]); len(got) != 1 || len(k.written) != 0 {
		t.Errorf("%d rules are kept, and iptables translates %v", len(k.written), got)
	}
}

// TestConfirm: what iptables prints otherwise is left to it from then on, and everything else
// translated again.
func TestConfirm(t *testing.T) {
	const one, two = "-s 10.0.0.1 -j X", "-j Y"
	id := tableID{rules.IPv4, "filter"}
	for _, c := range []struct {
		printed []string
		again   []string // what iptables translates before the next change
		sent    bool     // whether that is sent, if it translates nothing
	}{
		{[]string{"-s 10.0.0.1/32 -j X", two}, nil, true},
		{[]string{"-s 10.0.0.1/32 -j X", "-j Z"}, []string{one}, false},
		{[]string{"-s 10.0.0.1/32 -j X"}, []string{one, two}, false},
		{nil, []string{one, two}, false},
	} {
		k := &Kernel{written: map[ruleKey]written{{id, one}: {expressions: []byte{1}}, {id, two}: {expressions: []byte{1}}},
			own: children{namespace: "another"}} // nothing can be sent
		loads := []load{chainOf("TUNIC-A", one, two)}
		if got := k.confirm(loads, state{id: {"TUNIC-A": c.printed}}); got != c.sent {
			t.Errorf("%q: %v", c.printed, got)
		}
		var again []string
		for _, l := range k.spares(loads) {
			again = append(again, l.chains[0].Rules...)
		}
		if !slices.Equal(again, c.again) {
			t.Errorf("%q: iptables translates %q, not %q", c.printed, again, c.again)
		}
		if err := k.carryOut(nil, loads, nil); err == nil || errors.Is(err, ErrNamespace) != c.sent {
			t.Errorf("%q: the next change: %v", c.printed, err)
		}
	}
}

// TestStand: hooks and new chains are iptables' own.
func TestStand(t *testing.T) {
	id := tableID{rules.IPv4, "filter"}
	hooked := chainOf("TUNIC-A", "-j X")
	hooked.hooks = []string{"-I INPUT 1 -j TUNIC-INPUT"}
	for name, c := range map[string]struct {
		load load
		now  state
		want bool
	}{
		"all there":    {chainOf("TUNIC-A", "-j X"), state{id: {"TUNIC-A": nil}}, true},
		"no chain":     {chainOf("TUNIC-A", "-j X"), state{id: {"TUNIC-B": nil}}, false},
		"no table":     {chainOf("TUNIC-A", "-j X"), state{}, false},
		"without hook": {hooked, state{id: {"TUNIC-A": nil}}, false},
	} {
		if got := stand([]load{c.load}, c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestBatch reads the messages back.
func TestBatch(t *testing.T) {
	var b batch
	id := tableID{rules.IPv6, "nat"}
	b.begin()
	b.empty(id, "TUNIC-A")
	b.drop(id, "TUNIC-B")
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
	if !slices.Equal(kinds, []uint16{unix.NFNL_MSG_BATCH_BEGIN, subsystem | unix.NFT_MSG_DELRULE, subsystem | unix.NFT_MSG_DELCHAIN,
		subsystem | unix.NFT_MSG_NEWRULE, unix.NFNL_MSG_BATCH_END}) {
		t.Errorf("messages %#x", kinds)
	}
	for i, f := range flags {
		if (f&unix.NLM_F_ACK != 0) != (i == 3) {
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
