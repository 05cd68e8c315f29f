// Package tor runs one tor process and keeps it at a desired state.
//
// A Spec is that state, a plain value. Render turns it into the text of a
// torrc, and does nothing else. A Tor owns the process: Serve starts it under
// its own uid, follows its events and restarts it when it dies; Apply changes
// what it does, by LOADCONF while it runs (streams and circuits go on) and by
// a restart only where tor refuses that. Status is what the events said.
//
// Use it for the household's tor. It is a client that also publishes onions,
// and never a relay: a relay's address is public, and traffic that it carries
// for others would be told apart from the household's by nobody but us. Do not
// use it to dial through Tor; that is done on the SocksPort by whoever dials.
//
// It is the only importer of bine, of which it uses package control (the
// framing of the control protocol) and
// torutil/ed25519 (signatures under tor's form of a key). The commands go one
// at a time over one connection, each with a deadline, the events come over
// another, and what they say is parsed here.
package tor
