// Package netfilter puts a [rules.Ruleset] into the kernel, tells when it is no
// longer there, and reads from the kernel what the rules depend on.
//
// It owns the chains whose names begin with [rules.ChainPrefix] and one jump to
// them at the top of each built-in chain, and the rules of routing policy of
// [rules.Wall]. Nothing else is ever changed, but for the group of the household's
// interfaces and one sysctl, and no other rule is taken for one of ours. Use it from the privileged parent only;
// what the rules say is decided in package rules.
//
// Each table is replaced in one step by iptables-restore, chains and jump
// together, so there is no moment in which a packet meets half of them. With
// nf_tables all tables of both families are, where chains and jumps are there
// already (replay.go).
package netfilter
