// Package backup writes and reads a box's backup: one file, encrypted with age
// (age-encryption.org/v1), in it a gzipped tar archive (POSIX.1-2001), so that
// `age -d FILE | tar xz` gets at everything without tunic.
//
// Use Create to make one and Restore to put one back; both work in one pass and
// hold no file in memory. Do not use it for a stream that nobody can read
// twice: a backup counts only when what is on the disk was read back.
//
// The archive begins with a Header and ends with a trailer; what is between
// belongs to a few trees that both sides name, and is directories and regular
// files only. The reader trusts nothing in it: somebody who knows the recipient
// can make a file that decrypts.
package backup
