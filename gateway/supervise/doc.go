// Package supervise starts child processes and keeps services going.
//
// Start runs one process with exactly the environment, uid and descriptors
// that it is given, remembers its last lines of output for the error that says
// why it ended, and stops it in order. Keep runs a function again and again
// with growing pauses; a function that starts a process and waits for it makes
// a process that is restarted.
//
// Use it for everything that the daemon runs: tor, its own serve child, other
// servers. Do not use it for a command whose output is the result (package
// os/exec does that). It is a leaf: it knows no program by name.
package supervise
