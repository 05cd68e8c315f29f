package managed

import (
	"io/fs"
	"net/netip"
	"reflect"
	"slices"
	"strings"
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
	Memory   int64 // bytes of data that each of its processes may have; 0: it bounds itself

	// Dir is root's, for root and the server to read; Files are in it. Work is
	// a directory, in Dir or beside it, that belongs to the server.
	Dir, Work string
	Files     []File
	Stale     []string // what a killed process leaves and the next one would stumble over

	Probe Probe
}

// File is one file of a server's configuration, for root to write and the
// server to read.
type File struct {
	Path   string
	Text   string    // in the oldest dialect
	Newer  []Dialect // what later versions read instead, the oldest first
	Change Change

	// Logins says that each line is an account: one that is gone or another ends what was begun by it, for which the
	// server is started again.
	Logins bool
}

// Dialect is the text of a file for a server of that version or later.
type Dialect struct {
	From string // "2.4"
	Text string
}

// text is what the file says to a server of that version.
func (f File) text(version string) string {
	text := f.Text
	for _, d := range f.Newer {
		if !less(version, d.From) {
			text = d.Text
		}
	}
	return text
}

// same reports whether both files say the same to a server of any version.
func (f File) same(other File) bool {
	return f.Text == other.Text && slices.Equal(f.Newer, other.Newer)
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
	From    string // "2.3"; an older server is not run
	Below   string // "2.5", the first that nobody has tried: it is run with the newest dialect, and Status says so
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
		if !f.same(before) {
			least = min(least, f.Change)
		}
		if f.Logins && !hasLines(f.Text, before.Text) {
			return Restart
		}
		from.Files[i].Text, from.Files[i].Newer, from.Files[i].Logins = f.Text, f.Newer, f.Logins
	}
	if !from.Equal(to) {
		return Restart
	}
	return least
}

// hasLines reports whether a text has each line of another.
func hasLines(text, other string) bool {
	lines := slices.Collect(strings.Lines(text))
	for line := range strings.Lines(other) {
		if !slices.Contains(lines, line) {
			return false
		}
	}
	return true
}

// clone returns a copy that shares no files with s.
func (s Spec) clone() Spec {
	s.Files = append([]File(nil), s.Files...)
	return s
}
