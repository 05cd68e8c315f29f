// Package roots runs the lab tests of the managed servers inside other Debians,
// so that each dialect of a configuration meets the servers that read it. It has
// tests alone (build tag lab).
package roots
