// Package managed runs servers that others have written (Dovecot, Prosody,
// ngIRCd) as children of the daemon: found on PATH, of a version that the
// configuration is for, under a uid of their own and without a way to
// privileges, asked whether they answer, and started again when they do not.
//
// What a server is to be is a Spec, a plain value that a pure function of its
// protocol's package makes; Manager.Apply makes it true and touches only what
// differs. What a server prints stays in memory: it may name users.
//
// The package knows no program by name, and it neither finds nor touches one
// that the system runs by itself. For tor and for the daemon's own child there
// are packages tor and gateway.
package managed
