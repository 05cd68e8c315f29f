// Package succession is how a daemon is replaced by another version of itself while
// everything that it has started goes on.
//
// The old daemon starts the new one, its heir, beside it (Replace). The heir gets ready
// and asks to take over (Heir.Take): from then on the old one touches nothing, and the
// heir has all that it needs: the lock, the listening sockets, which processes run.
// When the heir serves the household as well as the old one did, it says so
// (Heir.Works), and the old one leaves. A heir that ends, fails or takes longer than
// Limit is ended, and the old daemon takes everything back.
//
// The two speak over the same kind of link as a daemon and its serve.
package succession
