// Package rules turns a description of the household into packet filter rules.
//
// [Compile] is a pure function: the same [Input] gives the same [Ruleset], for
// IPv4 and IPv6 from the same source. A Ruleset is data: it can be compared,
// printed, diffed and kept in a file. Use it wherever the rules are needed as
// a value: to apply them, to show a plan, to explain what happens to a device.
//
// Nothing here reads or changes the kernel; that is package rules/netfilter.
package rules
