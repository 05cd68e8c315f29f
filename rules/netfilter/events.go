package netfilter

import (
	"encoding/binary"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

// culprit is a program that changed rules, as the kernel names it.
type culprit struct {
	program string
	pid     int // in the first pid namespace; 0 if it is not known
}

// transaction gathers the messages about one change of nf_tables, up to the
// one that ends it (NFT_MSG_NEWGEN, which says who made it).
type transaction struct{ ours bool }

// message takes one message. It reports whether the transaction has ended and
// touched rules of ours, or rules in front of them.
func (t *transaction) message(m syscall.NetlinkMessage) (who culprit, ours bool) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.Data) < nl.SizeofNfgenmsg {
		return culprit{}, false
	}
	attrs := attributes(m.Data[nl.SizeofNfgenmsg:])
	family, table := m.Data[0], text(attrs[1]) // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are all 1
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE:
		t.ours = t.ours || touches(family, table, "")
	case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN:
		t.ours = t.ours || touches(family, table, text(attrs[unix.NFTA_CHAIN_NAME]))
	case unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE:
		t.ours = t.ours || touches(family, table, text(attrs[unix.NFTA_RULE_CHAIN]))
	case unix.NFT_MSG_NEWGEN:
		ours = t.ours
		t.ours = false
		return culprit{program: text(attrs[unix.NFTA_GEN_PROC_NAME]), pid: number(attrs[unix.NFTA_GEN_PROC_PID])}, ours
	}
	return culprit{}, false
}

// touches reports whether a change there can matter to us: one of our chains,
// a built-in chain with a hook of ours, or a whole table ("" for the chain).
func touches(family byte, table, chain string) bool {
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return false
	}
	hooks := rules.HooksOf(table)
	return len(hooks) > 0 && (chain == "" || strings.HasPrefix(chain, rules.ChainPrefix) ||
		slices.ContainsFunc(hooks, func(h rules.Hook) bool { return h.Builtin == chain }))
}

// kindMask is NLA_TYPE_MASK of linux/netlink.h: the upper two bits are flags.
const kindMask = 1<<14 - 1

// attributes returns the first attribute of each kind. What is malformed ends
// the list: the kernel sends no such thing.
func attributes(data []byte) map[uint16][]byte {
	found := make(map[uint16][]byte)
	for len(data) >= unix.SizeofNlAttr {
		length := int(binary.NativeEndian.Uint16(data))
		kind := binary.NativeEndian.Uint16(data[2:]) & kindMask
		if length < unix.SizeofNlAttr || length > len(data) {
			return found
		}
		if _, twice := found[kind]; !twice {
			found[kind] = data[unix.SizeofNlAttr:length]
		}
		data = data[min(len(data), (length+3)&^3):]
	}
	return found
}

func text(value []byte) string {
	s, _, _ := strings.Cut(string(value), "\x00")
	return s
}

func number(value []byte) int {
	if len(value) != 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(value))
}
