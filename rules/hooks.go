package rules

import "slices"

// ChainPrefix begins the name of every chain of ours and of nobody else's.
const ChainPrefix = "TUNIC-"

// Hook is the one rule of ours in a built-in chain: it stands first and jumps
// to our own chain.
type Hook struct {
	Table   string
	Builtin string
	Chain   string
}

// Rule returns the hook as a rule: "-j TUNIC-INPUT".
func (h Hook) Rule() string { return "-j " + h.Chain }

// String returns the hook as a command: "-t filter -I INPUT 1 -j TUNIC-INPUT".
func (h Hook) String() string { return "-t " + h.Table + " -I " + h.Builtin + " 1 " + h.Rule() }

// hooks is the same for both families and in every version of tunic: a newer
// one must find and replace what an older one left.
var hooks = [...]Hook{
	{"filter", "INPUT", chainInput},
	{"filter", "FORWARD", chainForward},
	{"filter", "OUTPUT", chainOutput},
	{"mangle", "PREROUTING", chainClassify},
	{"mangle", "POSTROUTING", chainPost},
	{"nat", "PREROUTING", chainRedirect},
	{"nat", "OUTPUT", chainOwn},
	{"nat", "POSTROUTING", chainSNAT},
}

// Hooks returns all hooks; they are the same for both families.
func Hooks() []Hook { return slices.Clone(hooks[:]) }

// HooksOf returns the hooks in the built-in chains of one table.
func HooksOf(table string) []Hook {
	return slices.DeleteFunc(Hooks(), func(h Hook) bool { return h.Table != table })
}
