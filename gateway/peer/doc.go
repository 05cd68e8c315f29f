// Package peer makes friends of two boxes and remembers what it takes to stay
// so: invitations, the proofs that both sides give each other, four words to
// compare by voice, keys for each other's onions, and what a friend's box
// offers.
//
// A Book is the parent's side: it keeps every step on the disk before it is
// said to the other box, and sees of the other box only numbers of fixed length
// that serve has read. The conversation itself is package endpoint/pair, which
// serve runs; docs/decisions says what is signed.
//
// Use it for boxes that trust each other by name. It is no directory of people
// and knows nothing of users, mail or chat.
package peer
