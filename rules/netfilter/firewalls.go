package netfilter

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

// Firewall is a place where another program refuses by default what these rules
// let pass, and where nothing is said of the household's interfaces.
type Firewall struct {
	Program string // "ufw", "Docker", "firewalld", or "the table inet filter"
	Hook    string // "input", "forward" or "output"
	Table   string // "inet filter"
	Chain   string
}

// baseChain is a chain that a hook of the kernel calls.
type baseChain struct {
	family             byte
	table, chain, hook string
	drops              bool // what no rule decides
}

// NFTA_CHAIN_TABLE and others (linux/netfilter/nf_tables.h); the hooks of
// linux/netfilter.h, and NF_DROP.
const (
	chainTable   = 1
	chainName    = 3
	chainHook    = 4
	chainVerdict = 5
	hookNumber   = 1
	ruleTable    = 1
	ruleChain    = 2
	verdictDrop  = 0
)

var hookNames = map[int]string{1: "input", 2: "forward", 3: "output"}

// firewalls looks for other programs' refusals. Where all of the packet filter is
// legacy it knows of none: those tables are not to be asked this way.
func firewalls(household []string) ([]Firewall, error) {
	messages, err := dump(unix.NFT_MSG_GETCHAIN)
	if err != nil {
		return nil, fmt.Errorf("reading the chains of all tables: %w", err)
	}
	var found []Firewall
	chains := chainsOf(messages)
	for _, c := range chains {
		f := Firewall{Program: program(c, messages), Hook: c.hook, Table: strings.TrimSpace(familyName(c.family) + " " + c.table),
			Chain: c.chain}
		ours := c.hook == "input" && iptablesTable(c) // our own chain there accepts what is ours
		if ours || f.Program == "" ||
			slices.ContainsFunc(found, func(o Firewall) bool { return o.Program == f.Program && o.Hook == f.Hook }) {
			continue
		}
		named, err := names(c, household)
		if err != nil {
			return nil, fmt.Errorf("reading the rules of %s: %w", f.Table, err)
		}
		if !named {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b Firewall) int { return cmp.Or(cmp.Compare(a.Hook, b.Hook), cmp.Compare(a.Program, b.Program)) })
	return found, nil
}

func dump(message int) ([][]byte, error) {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|message, unix.NLM_F_DUMP)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC})
	messages, err := whole(func() ([][]byte, error) { return request.Execute(unix.NETLINK_NETFILTER, 0) })
	if err == unix.EOPNOTSUPP || err == unix.EINVAL || err == unix.EPROTONOSUPPORT { // a kernel without nf_tables
		return nil, nil
	}
	return messages, err
}

// chainsOf are the base chains of filters. Those of nat and mangle refuse nothing
// by themselves.
func chainsOf(messages [][]byte) (list []baseChain) {
	for _, m := range messages {
		if len(m) < nl.SizeofNfgenmsg {
			continue
		}
		attrs := attributes(m[nl.SizeofNfgenmsg:])
		hook, ok := attrs[chainHook]
		if !ok {
			continue
		}
		c := baseChain{family: m[0], table: text(attrs[chainTable]), chain: text(attrs[chainName])}
		c.hook = hookNames[number(attributes(hook)[hookNumber])]
		c.drops = len(attrs[chainVerdict]) == 4 && number(attrs[chainVerdict]) == verdictDrop
		if c.hook != "" && familyName(c.family) != "" {
			list = append(list, c)
		}
	}
	return list
}

// program is who refuses by default in a base chain; "" if it does not, or lets
// the household pass as it comes (fw4 of OpenWrt).
func program(c baseChain, messages [][]byte) string {
	has := func(prefix string) bool {
		return slices.ContainsFunc(messages, func(m []byte) bool {
			if len(m) < nl.SizeofNfgenmsg {
				return false
			}
			a := attributes(m[nl.SizeofNfgenmsg:])
			return m[0] == c.family && text(a[chainTable]) == c.table && strings.HasPrefix(text(a[chainName]), prefix)
		})
	}
	switch {
	case c.table == "firewalld" && c.chain == "filter_FORWARD": // it accepts what was translated in INPUT, and refuses here by a last rule
		return "firewalld"
	case !c.drops || c.table == "firewalld" || c.table == "fw4":
		return ""
	case iptablesTable(c) && has("ufw"):
		return "ufw"
	case iptablesTable(c) && has("DOCKER"):
		return "Docker"
	}
	return "the table " + familyName(c.family) + " " + c.table
}

// iptablesTable reports whether iptables sees the chain, and so our own hook.
func iptablesTable(c baseChain) bool {
	return (c.family == unix.AF_INET || c.family == unix.AF_INET6) && c.table == "filter"
}

// names reports whether some rule of the table, which is not ours, speaks of an
// interface of the household: its owner has thought of it. That is not to say that
// it lets everything pass.
func names(c baseChain, household []string) (bool, error) {
	messages, err := dump(unix.NFT_MSG_GETRULE)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(messages, func(m []byte) bool {
		if len(m) < nl.SizeofNfgenmsg || m[0] != c.family {
			return false
		}
		attrs := attributes(m[nl.SizeofNfgenmsg:])
		if text(attrs[ruleTable]) != c.table || strings.HasPrefix(text(attrs[ruleChain]), rules.ChainPrefix) {
			return false
		}
		return slices.ContainsFunc(household, func(name string) bool { return bytes.Contains(m, append([]byte(name), 0)) })
	}), nil
}

func familyName(family byte) string {
	return map[byte]string{1: "inet", unix.AF_INET: "ip", unix.AF_INET6: "ip6"}[family] // NFPROTO_INET is 1
}
