package netfilter

import (
	"encoding/binary"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// attribute is one of a netlink message.
func attribute(kind uint16, value string) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	a = append(binary.NativeEndian.AppendUint16(a, kind), value...)
	for len(a)%4 != 0 {
		a = append(a, 0)
	}
	return a
}

func event(kind uint16, family byte, attrs ...[]byte) syscall.NetlinkMessage {
	m := syscall.NetlinkMessage{Data: append([]byte{family, 0, 0, 0}, slices.Concat(attrs...)...)}
	m.Header.Type = unix.NFNL_SUBSYS_NFTABLES<<8 | kind
	return m
}

func rule(table, chain string) [][]byte {
	return [][]byte{attribute(unix.NFTA_RULE_TABLE, table+"\x00"), attribute(unix.NFTA_RULE_CHAIN, chain+"\x00")}
}

func end(pid uint32, program string) syscall.NetlinkMessage {
	return event(unix.NFT_MSG_NEWGEN, unix.AF_UNSPEC, attribute(unix.NFTA_GEN_ID, "\x00\x00\x00\x09"),
		attribute(unix.NFTA_GEN_PROC_PID, string(binary.BigEndian.AppendUint32(nil, pid))),
		attribute(unix.NFTA_GEN_PROC_NAME, program+"\x00"))
}

func TestTransactions(t *testing.T) {
	for name, tc := range map[string]struct {
		message syscall.NetlinkMessage
		ours    bool
	}{
		"rule in front of a hook": {event(unix.NFT_MSG_NEWRULE, unix.AF_INET, rule("filter", "FORWARD")...), true},
		"rule of ours":            {event(unix.NFT_MSG_DELRULE, unix.AF_INET6, rule("mangle", "TUNIC-POST")...), true},
		"chain of ours": {event(unix.NFT_MSG_DELCHAIN, unix.AF_INET, attribute(unix.NFTA_CHAIN_TABLE, "nat\x00"),
			attribute(unix.NFTA_CHAIN_NAME, "TUNIC-LAN\x00")), true},
		"table":                    {event(unix.NFT_MSG_DELTABLE, unix.AF_INET, attribute(unix.NFTA_TABLE_NAME, "nat\x00")), true},
		"Docker's own chain":       {event(unix.NFT_MSG_NEWRULE, unix.AF_INET, rule("filter", "DOCKER")...), false},
		"chain without our hook":   {event(unix.NFT_MSG_NEWRULE, unix.AF_INET, rule("nat", "INPUT")...), false},
		"another family":           {event(unix.NFT_MSG_NEWRULE, unix.AF_BRIDGE, rule("filter", "FORWARD")...), false},
		"another table":            {event(unix.NFT_MSG_NEWTABLE, unix.AF_INET, attribute(unix.NFTA_TABLE_NAME, "fw4\x00")), false},
		"a set":                    {event(unix.NFT_MSG_NEWSET, unix.AF_INET, attribute(1, "filter\x00")), false},
		"another part of the link": {syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: 1 << 8}, Data: make([]byte, 8)}, false},
		"nothing":                  {event(unix.NFT_MSG_NEWRULE, unix.AF_INET), false},
		"malformed":                {event(unix.NFT_MSG_NEWRULE, unix.AF_INET, []byte{200, 0, 1, 0, 'x'}), false},
	} {
		var tr transaction
		if _, ours := tr.message(tc.message); ours {
			t.Errorf("%s: reported before the end", name)
		}
		who, ours := tr.message(end(4711, "iptables"))
		if ours != tc.ours || who != (culprit{"iptables", 4711}) {
			t.Errorf("%s: ours %v, by %+v", name, ours, who)
		}
		if _, ours := tr.message(end(4712, "nft")); ours {
			t.Errorf("%s: the next transaction is reported too", name)
		}
	}
}

func TestChildren(t *testing.T) {
	c := &children{}
	if c.has(0) {
		t.Error("process 0 is a child")
	}
	out, err := c.run(t.Context(), "", "/bin/echo", "hello")
	if err != nil || out != "hello\n" || c.next != 1 || !c.has(c.pids[0]) {
		t.Errorf("%q, %v, %+v", out, err, c)
	}
	old := c.pids[0]
	for i := range len(c.pids) {
		c.add(1<<30 + i)
	}
	if c.has(old) || !c.has(1<<30) || !c.has(1<<30+len(c.pids)-1) {
		t.Errorf("after many: %+v", c)
	}
	if _, err := c.run(t.Context(), "", "/nonexistent/iptables"); err == nil {
		t.Error("a missing program is no error")
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add(slices.Concat(rule("filter", "FORWARD")...))
	f.Add([]byte{4, 0, 1, 0, 3, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		for _, value := range attributes(data) {
			total += len(value)
		}
		if total > len(data) {
			t.Errorf("%d bytes out of %d", total, len(data))
		}
	})
}
