// Package arch holds the tests that keep the tree as docs/architecture.md
// draws it: who imports what, and who may dial. It has no other content.
package arch
