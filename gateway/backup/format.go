package backup

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Format is the version of the archive that Create writes and the newest that
// Restore reads.
const Format = 1

// The first and the last entry of an archive. Neither is below a tree.
const (
	headerName  = "tunic-backup.json"
	trailerName = "tunic-backup.end.json"
	maxMeta     = 1 << 20 // bytes of either
)

// Header says what an archive is and where it came from.
type Header struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the tunic that made it
	Created time.Time `json:"created"`
	Onions  []Onion   `json:"onions"` // whose keys are in it
}

// Onion is an onion that a backup holds the keys of.
type Onion struct {
	Name    string `json:"name"`
	Address string `json:"address"` // "KEY.onion"
}

// trailer proves that nothing is missing.
type trailer struct {
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	SHA256 []byte `json:"sha256"` // of all entries' names, sizes and contents, see sum
}

// Tree is a directory that a backup holds, under a name that does not depend on
// where it is.
type Tree struct {
	Name string // slash-separated: "etc/tunic"
	Dir  string // where it is on this box

	// Skip, if set, says which paths below Dir are left out, with all that is
	// below them.
	Skip func(rel string) bool
	// Live, if set, says which directories change all the time without harm,
	// such as a Maildir: there, what comes and goes meanwhile is no reason to
	// begin again.
	Live func(rel string, info fs.FileInfo) bool
	// Follow has the content of the files stored that links lead to. Only for a
	// directory where nobody but root can make a link.
	Follow bool
}

// Errors of reading. Each is wrapped with what was found.
var (
	ErrNoBackup  = errors.New("it is no backup of tunic's")
	ErrNewer     = errors.New("it was made by a newer tunic")
	ErrDamaged   = errors.New("it is damaged or incomplete")
	ErrWrongKey  = errors.New("it does not open with this key")
	ErrTooLarge  = errors.New("there is not enough room for what is in it")
	ErrNoSuchIDs = errors.New("a user or group of it does not exist here")
)

// Limits of what a name in an archive may be.
const (
	maxName  = 1024 // bytes
	maxDepth = 32
)

// checkEntry refuses every entry that is not a plain file or directory with a
// plain name below one of the trees.
func checkEntry(h *tar.Header, trees []Tree) (tree int, rel string, err error) {
	bad := func(what string) error { return fmt.Errorf("%w: the entry %.80q %s", ErrDamaged, h.Name, what) }
	name := h.Name
	switch h.Typeflag {
	case tar.TypeDir:
		name = strings.TrimSuffix(name, "/")
	case tar.TypeReg:
	default:
		return 0, "", bad("is neither a file nor a directory")
	}
	if !fs.ValidPath(name) || len(name) > maxName || strings.Count(name, "/") > maxDepth ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return 0, "", bad("has a name that no backup has")
	}
	for i, t := range trees {
		if name == t.Name && h.Typeflag == tar.TypeDir {
			return i, ".", nil
		}
		if rest, ok := strings.CutPrefix(name, t.Name+"/"); ok {
			return i, path.Clean(rest), nil
		}
	}
	return 0, "", bad("belongs to no directory of tunic's")
}

// writeMeta writes the header or the trailer.
func writeMeta(w *tar.Writer, name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(raw)), Format: tar.FormatPAX})
	if err == nil {
		_, err = w.Write(raw)
	}
	return err
}

// readMeta reads the header or the trailer.
func readMeta(h *tar.Header, r io.Reader, v any) error {
	if h.Typeflag != tar.TypeReg || h.Size > maxMeta {
		return fmt.Errorf("%w: its %s is none", ErrDamaged, h.Name)
	}
	if err := json.NewDecoder(r).Decode(v); err != nil {
		return fmt.Errorf("%w: reading its %s: %w", ErrDamaged, h.Name, err)
	}
	return nil
}

// sum adds up what an archive holds, on both sides.
type sum struct {
	files int
	bytes int64
	hash  hash.Hash
}

// begin counts an entry; its content follows.
func (s *sum) begin(name string, size int64) {
	s.files++
	s.bytes += size
	fmt.Fprintf(s.hash, "%q %d\n", name, size)
}

func (s *sum) trailer() trailer {
	return trailer{Files: s.files, Bytes: s.bytes, SHA256: s.hash.Sum(nil)}
}
