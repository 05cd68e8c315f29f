package managed

import (
	"io/fs"
	"net/netip"
	"reflect"
	"syscall"
)

// Spec is one server as it should run. It is a plain value.
type Spec struct {
	Name    string   // "dovecot"
	Program string   // looked up on PATH
	Package string   // Debian's, for an owner who has not got it
	Parts   []string // files that have to be there beside the program
	Version Versions // that Files are written for

	Args     []string
	UID, GID uint32

	// Dir is root's, for root and the server to read; Files are in it. Work is
	// a directory in Dir that belongs to the server.
	Dir, Work string
	Files     []File
	Stale     []string // what a killed process leaves and the next one would stumble over

	Probe Probe
}

// File is one file of a server's configuration, for root to write and the
// server to read.
type File struct {
	Path   string
	Text   string
	Change Change
}

// Change says what a server needs to notice that a file has changed.
type Change int

const (
	Restart Change = iota // it is started again
	Reload                // SIGHUP
	Reread                // nothing: it looks by itself
)

// Configuration may hold password records. Nobody else passes Dir, so Work can
// have the mode that servers want.
const (
	fileMode fs.FileMode = 0o640
	dirMode  fs.FileMode = 0o750
	workMode fs.FileMode = 0o755
)

const reloadSignal = syscall.SIGHUP

// Versions are those that a configuration works with.
type Versions struct {
	Program string // that prints the version; "" is the server itself
	Args    []string
	From    string // "2.3"
	Below   string // "2.4"; empty: no end is known
}

// Probe asks a server, in its own protocol, whether it is there.
type Probe struct {
	Addr   netip.AddrPort
	Send   string
	Expect string // what the answer begins with
}

// Equal reports whether both say the same.
func (s Spec) Equal(other Spec) bool { return reflect.DeepEqual(s, other) }

// needed is the most that the change from one Spec to another asks for.
func needed(from, to Spec) Change {
	least := Reread
	if len(from.Files) != len(to.Files) {
		return Restart
	}
	for i, f := range to.Files {
		before := from.Files[i]
		if f.Text != before.Text {
			least = min(least, f.Change)
		}
		from.Files[i].Text = f.Text
	}
	if !from.Equal(to) {
		return Restart
	}
	return least
}

// clone returns a copy that shares no files with s.
func (s Spec) clone() Spec {
	s.Files = append([]File(nil), s.Files...)
	return s
}
