// Package e2e holds the tests that run the real thing: two households in a
// lab, the daemon, real tor processes and the kernel's own packet filter.
//
// They are in one place because they share one lab, which takes half a minute
// to build. They need root and carry the build tag lab:
//
//	go test -tags lab ./internal/lab/e2e
//	go test -tags lab -run 'TestEndToEnd/leaks' -v ./internal/lab/e2e
//
// parts_test.go is the list of the parts: what each needs, and what it cannot
// leave as it was. After each the rules, the configuration and the status of all
// boxes are compared with those before, so that a part that leaves something
// behind fails, and not the next one; any part runs alone. What one can do in a
// house is in internal/lab/house, which knows of no test.
//
// classes_test.go is the table of leak classes, states_test.go the table of
// states. Each class is sent in each state, and the assertion is on a capture of
// the gateway's uplink; each is also sent with its rules removed, when the
// capture must show it. catalog_test.go is the list of all classes, with the
// tests that are elsewhere; `make leaks` writes both to docs/leaks.md. Single
// rules are taken out in rules/netfilter (`make leaks-mutants`), where no tor is
// needed. What can be shown without a lab belongs beside the package that does
// it.
package e2e
