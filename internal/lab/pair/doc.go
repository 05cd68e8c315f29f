// Package pair holds the test of docs/pair.md: two boxes of one household in a
// lab, made by the files of deploy/ha, of which one after the other is killed.
package pair
