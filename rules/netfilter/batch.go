package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

// batch is a transaction of nf_tables: messages between NFNL_MSG_BATCH_BEGIN and
// NFNL_MSG_BATCH_END (linux/netfilter/nfnetlink.h), of which all are carried out
// or none.
type batch struct {
	data     []byte
	sequence uint32
	last     int // where the last message begins
}

func (b *batch) begin() { b.control(unix.NFNL_MSG_BATCH_BEGIN) }

// end asks for one answer, to the last message: errors come unasked.
func (b *batch) end() {
	flags := b.data[b.last+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
	b.control(unix.NFNL_MSG_BATCH_END)
}

func (b *batch) control(kind uint16) {
	at := b.open(kind, 0, unix.AF_UNSPEC)
	binary.BigEndian.PutUint16(b.data[at+unix.SizeofNlMsghdr+2:], unix.NFNL_SUBSYS_NFTABLES)
	b.close(at)
}

// empty takes all rules out of a chain.
func (b *batch) empty(id tableID, chain string) {
	b.last = b.open(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELRULE, 0, familyOf(id))
	b.name(unix.NFTA_RULE_TABLE, id.name)
	b.name(unix.NFTA_RULE_CHAIN, chain)
	b.close(b.last)
}

// drop deletes a chain that is empty.
func (b *batch) drop(id tableID, chain string) {
	b.last = b.open(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELCHAIN, 0, familyOf(id))
	b.name(unix.NFTA_CHAIN_TABLE, id.name)
	b.name(unix.NFTA_CHAIN_NAME, chain)
	b.close(b.last)
}

// remove takes one rule out of a chain.
func (b *batch) remove(id tableID, chain string, handle uint64) {
	b.last = b.open(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELRULE, 0, familyOf(id))
	b.name(unix.NFTA_RULE_TABLE, id.name)
	b.name(unix.NFTA_RULE_CHAIN, chain)
	b.attribute(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, handle))
	b.close(b.last)
}

// add puts a rule behind the one with that handle, or behind those of the chain. Matches that are for one protocol want
// to know which the rule has.
func (b *batch) add(id tableID, chain string, behind uint64, w written, p protocol) {
	b.last = b.open(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, familyOf(id))
	b.name(unix.NFTA_RULE_TABLE, id.name)
	b.name(unix.NFTA_RULE_CHAIN, chain)
	if behind != 0 {
		b.attribute(unix.NFTA_RULE_POSITION, binary.BigEndian.AppendUint64(nil, behind))
	}
	b.attribute(unix.NLA_F_NESTED|unix.NFTA_RULE_EXPRESSIONS, w.expressions)
	if p.number != 0 {
		at := b.nest(unix.NFTA_RULE_COMPAT)
		b.number(unix.NFTA_RULE_COMPAT_PROTO, p.number)
		b.number(unix.NFTA_RULE_COMPAT_FLAGS, p.flags())
		b.closeNest(at)
	}
	if w.userdata != nil {
		b.attribute(unix.NFTA_RULE_USERDATA, w.userdata)
	}
	b.close(b.last)
}

func familyOf(id tableID) byte { return byte(familyNumber(id.family)) }

// open begins a message: struct nlmsghdr, struct nfgenmsg.
func (b *batch) open(kind, flags uint16, family byte) int {
	at := len(b.data)
	b.sequence++
	b.data = binary.NativeEndian.AppendUint32(b.data, 0)
	b.data = binary.NativeEndian.AppendUint16(b.data, kind)
	b.data = binary.NativeEndian.AppendUint16(b.data, flags|unix.NLM_F_REQUEST)
	b.data = binary.NativeEndian.AppendUint32(b.data, b.sequence)
	b.data = binary.NativeEndian.AppendUint32(b.data, 0)
	b.data = append(b.data, family, unix.NFNETLINK_V0, 0, 0)
	return at
}

func (b *batch) close(at int) { binary.NativeEndian.PutUint32(b.data[at:], uint32(len(b.data)-at)) }

func (b *batch) nest(kind uint16) int {
	at := len(b.data)
	b.attribute(unix.NLA_F_NESTED|kind, nil)
	return at
}

func (b *batch) closeNest(at int) { binary.NativeEndian.PutUint16(b.data[at:], uint16(len(b.data)-at)) }

// attribute adds one, padded to four bytes.
func (b *batch) attribute(kind uint16, value []byte) {
	b.data = binary.NativeEndian.AppendUint16(b.data, uint16(unix.SizeofNlAttr+len(value)))
	b.data = binary.NativeEndian.AppendUint16(b.data, kind)
	b.data = append(b.data, value...)
	for len(b.data)%4 != 0 {
		b.data = append(b.data, 0)
	}
}

func (b *batch) name(kind uint16, name string) { b.attribute(kind, append([]byte(name), 0)) }

func (b *batch) number(kind uint16, n uint32) {
	b.attribute(kind, binary.BigEndian.AppendUint32(nil, n))
}

// protocol is what a rule says about that of IP.
type protocol struct {
	number uint32 // 0: any
	not    bool
}

// flags are NFTA_RULE_COMPAT_FLAGS.
func (p protocol) flags() uint32 {
	if p.not {
		return unix.NFT_RULE_COMPAT_F_INV
	}
	return 0
}

func protocolOf(rule string) protocol {
	before, rest, found := strings.Cut(" "+rule, " -p ")
	if !found {
		return protocol{}
	}
	word, _, _ := strings.Cut(rest, " ")
	p := protocol{not: strings.HasSuffix(before, " !")}
	switch word {
	case "tcp":
		p.number = unix.IPPROTO_TCP
	case "udp":
		p.number = unix.IPPROTO_UDP
	case "icmp":
		p.number = unix.IPPROTO_ICMP
	case "ipv6-icmp":
		p.number = unix.IPPROTO_ICMPV6
	default:
		if n, err := strconv.ParseUint(word, 10, 8); err == nil {
			p.number = uint32(n)
		}
	}
	return p
}

// send has the kernel carry a transaction out, in the namespace of the calling
// thread, and remembers the thread: the kernel names it as who made the change.
func (c *children) send(b batch) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if now, err := namespace(); c.namespace != "" && now != c.namespace {
		return errors.Join(ErrNamespace, err)
	}
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("opening a socket to nf_tables: %w", err)
	}
	defer unix.Close(socket)
	c.add(unix.Gettid())
	err = errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*len(b.data)+1<<16),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: lockSeconds}),
		unix.Sendto(socket, b.data, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	if err != nil {
		return fmt.Errorf("sending rules: %w", err)
	}
	return b.answer(socket)
}

// answer reads until the answer to the last message before the end. One error
// means that nothing was carried out.
func (b *batch) answer(socket int) error {
	want := binary.NativeEndian.Uint32(b.data[b.last+8:])
	buffer := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(socket, buffer, 0)
		if err != nil {
			return fmt.Errorf("reading what became of rules: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return fmt.Errorf("reading what became of rules: %w", err)
		}
		for _, m := range messages {
			if m.Header.Type != unix.NLMSG_ERROR || len(m.Data) < 4 {
				continue
			}
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return fmt.Errorf("message %d: %w", m.Header.Seq, syscall.Errno(-code))
			}
			if m.Header.Seq == want {
				return nil
			}
		}
	}
}

// readChain reads the rules of a chain as the kernel holds them.
func readChain(id tableID, chain string) ([]written, error) {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: familyOf(id), Version: unix.NFNETLINK_V0})
	request.AddData(nl.NewRtAttr(unix.NFTA_RULE_TABLE, nl.ZeroTerminated(id.name)))
	request.AddData(nl.NewRtAttr(unix.NFTA_RULE_CHAIN, nl.ZeroTerminated(chain)))
	messages, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	var list []written
	for _, m := range messages {
		attrs := attributes(m[nl.SizeofNfgenmsg:])
		if text(attrs[unix.NFTA_RULE_TABLE]) != id.name || text(attrs[unix.NFTA_RULE_CHAIN]) != chain {
			continue
		}
		w := written{expressions: uncounted(attrs[unix.NFTA_RULE_EXPRESSIONS]), userdata: attrs[unix.NFTA_RULE_USERDATA]}
		if handle := attrs[unix.NFTA_RULE_HANDLE]; len(handle) == 8 {
			w.handle = binary.BigEndian.Uint64(handle)
		}
		list = append(list, w)
	}
	return list, nil
}

// uncounted sets the counters of a list of expressions to nothing.
func uncounted(list []byte) []byte {
	for rest := list; len(rest) >= unix.SizeofNlAttr; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < unix.SizeofNlAttr || length > len(rest) {
			break
		}
		expression := attributes(rest[unix.SizeofNlAttr:length])
		if text(expression[unix.NFTA_EXPR_NAME]) == "counter" {
			values := attributes(expression[unix.NFTA_EXPR_DATA])
			clear(values[unix.NFTA_COUNTER_BYTES])
			clear(values[unix.NFTA_COUNTER_PACKETS])
		}
		rest = rest[min(len(rest), (length+3)&^3):]
	}
	return list
}

// generation is the number of the last change of any rule of nf_tables; 0: unknown.
func (k *Kernel) generation() uint32 {
	if k.version.Backend != BackendNFT {
		return 0
	}
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: unix.NFNETLINK_V0})
	messages, err := request.Execute(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN)
	if err != nil || len(messages) != 1 {
		return 0
	}
	return uint32(number(attributes(messages[0][nl.SizeofNfgenmsg:])[unix.NFTA_GEN_ID]))
}

// bare reports whether the kernel says that none of the tables of a family is there.
func (k *Kernel) bare(f rules.Family) bool {
	if k.version.Backend != BackendNFT {
		return false
	}
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, unix.NLM_F_DUMP)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: byte(familyNumber(f)), Version: unix.NFNETLINK_V0})
	messages, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	return err == nil && !slices.ContainsFunc(messages, func(m []byte) bool {
		return len(m) < nl.SizeofNfgenmsg || slices.Contains(tableNames, text(attributes(m[nl.SizeofNfgenmsg:])[unix.NFTA_TABLE_NAME]))
	})
}
