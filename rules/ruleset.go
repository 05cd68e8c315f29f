package rules

import (
	"slices"
	"strings"
)

// Family is the address family that a table belongs to.
type Family int

const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Families returns both families in the order in which they are compiled and applied.
func Families() []Family { return []Family{IPv4, IPv6} }

// String returns "ip4" or "ip6".
func (f Family) String() string {
	if f == IPv6 {
		return "ip6"
	}
	return "ip4"
}

// Ruleset is everything that we want in the kernel, apart from the hooks (see
// [Hooks]). Its tables are in the order in which they must be applied: for
// each family filter, which closes, then mangle and nat, which open.
type Ruleset struct {
	Tables []Table
}

// Table is the part of a Ruleset that the kernel replaces in one step.
type Table struct {
	Family Family
	Name   string // "filter", "mangle" or "nat"
	Chains []Chain
}

// Chain is one of our own chains. A rule is the text after "-A CHAIN ".
type Chain struct {
	Name  string
	Rules []string
}

// Table returns the table of that family and name, and whether there is one.
func (r Ruleset) Table(f Family, name string) (Table, bool) {
	for _, t := range r.Tables {
		if t.Family == f && t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

// Text returns a table as input for "iptables-restore --noflush": our chains
// are emptied and filled again in one step, nobody else's are touched. It is
// "" for a table that the ruleset does not have.
func (r Ruleset) Text(f Family, table string) string {
	t, ok := r.Table(f, table)
	if !ok {
		return ""
	}
	return t.Text()
}

// String returns all tables, each under a comment that names its family.
func (r Ruleset) String() string {
	var b strings.Builder
	for _, t := range r.Tables {
		b.WriteString("# " + t.Family.String() + "\n" + t.Text())
	}
	return b.String()
}

// Equal says whether both hold the same rules in the same order.
func (r Ruleset) Equal(other Ruleset) bool {
	return slices.EqualFunc(r.Tables, other.Tables, Table.Equal)
}

// Text returns the table as input for "iptables-restore --noflush". Commands,
// such as "-I INPUT 1 -j TUNIC-INPUT", are carried out after the rules are in
// place and in the same step.
func (t Table) Text(commands ...string) string {
	var b strings.Builder
	b.WriteString("*" + t.Name + "\n")
	for _, c := range t.Chains {
		b.WriteString(":" + c.Name + " - [0:0]\n")
	}
	for _, c := range t.Chains {
		for _, rule := range c.Rules {
			b.WriteString("-A " + c.Name + " " + rule + "\n")
		}
	}
	for _, command := range commands {
		b.WriteString(command + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// Equal says whether both are the same table with the same rules in the same order.
func (t Table) Equal(o Table) bool {
	return t.Family == o.Family && t.Name == o.Name && slices.EqualFunc(t.Chains, o.Chains, Chain.equal)
}

func (c Chain) equal(o Chain) bool {
	return c.Name == o.Name && slices.Equal(c.Rules, o.Rules)
}
