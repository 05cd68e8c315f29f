// Package onion holds what tunic knows of onion services itself: their
// addresses, their key files in tor's own format, and the fronts that tor
// hands the visitors' streams to.
//
// Use it to check an address that somebody typed or a device asked for, to
// have an onion's keys (and so its address) before tor runs, and to serve one
// onion's socket. Do not use it to reach an onion or to publish one: that is
// tor's work, and package tor speaks with it. Nothing here dials by itself.
package onion
