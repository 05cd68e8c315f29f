// Package machine shows the reconciler the system that it runs on: packet filter
// and interfaces, DHCP leases, resolvers, users, other programs. It decides
// nothing.
package machine
