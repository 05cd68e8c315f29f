package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

	"filippo.io/age"
	"golang.org/x/sys/unix"
)

// Plan says what to back up.
type Plan struct {
	Header Header // Format is filled in
	Trees  []Tree
	Lock   Lock
	Force  bool // replace a file that is there

	Progress func(files int, bytes int64) // told after each file; may be nil
}

// Made is what came of it.
type Made struct {
	Files   int
	Bytes   int64    // of the files in it
	Size    int64    // of the backup
	Skipped []string // what could not be stored, in words
}

// maxAttempts bounds how often Create begins again because files changed.
const maxAttempts = 3

// Create writes a backup to path: readable by the caller alone, whole or not at
// all. What is on the disk is read back before the file has its name: with a
// passphrase it is decrypted and read to its end; for recipients, whose keys
// are not here, its digest is compared with that of what was written.
//
// What is stored is the state of one moment: if a file changes meanwhile it
// begins again, three times at most. Nobody else needs to stop or wait.
func Create(path string, p Plan) (Made, error) {
	made, err := create(path, p)
	if err != nil {
		return made, fmt.Errorf("making the backup %s: %w", path, err)
	}
	return made, nil
}

func create(path string, p Plan) (made Made, err error) {
	if _, err := os.Lstat(path); err == nil && !p.Force {
		return made, fs.ErrExist
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tunic-backup-*") // 0600
	if err != nil {
		return made, err
	}
	defer func() {
		f.Close()
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	digest, err := p.fill(f, &made)
	if err == nil {
		err = p.verify(f, digest)
	}
	if err == nil {
		err = name(f.Name(), path, p.Force)
	}
	return made, err
}

// fill writes the file, from the beginning each time, and returns its digest.
func (p Plan) fill(f *os.File, made *Made) (digest []byte, err error) {
	for range maxAttempts {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		if err := f.Truncate(0); err != nil {
			return nil, err
		}
		*made = Made{}
		h := sha256.New()
		if made.Skipped, err = p.encrypt(io.MultiWriter(f, h), made); err == nil {
			made.Size, err = f.Seek(0, io.SeekCurrent)
			return h.Sum(nil), errors.Join(err, f.Sync())
		}
		if !errors.Is(err, errChanged) {
			return nil, err
		}
	}
	return nil, err
}

// encrypt writes the layers: archive, gzip, age.
func (p Plan) encrypt(out io.Writer, made *Made) (skipped []string, err error) {
	outer, err := age.Encrypt(out, p.Lock.recipients...)
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // that of scrypt
	zip := gzip.NewWriter(outer)
	skipped, err = writeArchive(zip, p.Header, p.Trees, func(files int, bytes int64) {
		made.Files, made.Bytes = files, bytes
		if p.Progress != nil {
			p.Progress(files, bytes)
		}
	})
	if err != nil {
		return nil, err
	}
	return skipped, errors.Join(zip.Close(), outer.Close())
}

// verify reads back what the disk has.
func (p Plan) verify(f *os.File, digest []byte) error {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // from the disk, not from memory
	back, err := os.Open(f.Name())
	if err != nil {
		return err
	}
	defer back.Close()
	h := sha256.New()
	if len(p.Lock.identities) > 0 {
		_, err = read(io.TeeReader(back, h), Key{p.Lock.identities}, p.Trees, Limits{math.MaxInt, math.MaxInt64}, discard{})
		if err != nil {
			return fmt.Errorf("reading it back: %w", err)
		}
	}
	return sameDigest(back, h, digest)
}

func sameDigest(rest io.Reader, h hash.Hash, digest []byte) error {
	if _, err := io.Copy(h, rest); err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	if !bytes.Equal(h.Sum(nil), digest) {
		return fmt.Errorf("reading it back: %w: the disk has other bytes than were written", ErrDamaged)
	}
	return nil
}

// name gives a finished file its name.
func name(tmp, path string, force bool) error {
	err := rename(tmp, path, force)
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// rename replaces what is there only if it may. File systems that cannot keep
// what is there by themselves (renameat2(2)) are asked first.
func rename(tmp, path string, force bool) error {
	if force {
		return os.Rename(tmp, path)
	}
	err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	return os.Rename(tmp, path)
}

// read takes the layers off and reads the archive to its very end.
func read(in io.Reader, k Key, trees []Tree, limits Limits, to sink) (Header, error) {
	outer, err := decrypt(in, k)
	if err != nil {
		return Header{}, err
	}
	inner := bufio.NewReader(outer)
	magic, err := inner.Peek(len(gzipMagic))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return Header{}, archiveError(err)
	case string(magic) != gzipMagic:
		return Header{}, fmt.Errorf("%w: what is encrypted in it is something else", ErrNoBackup)
	}
	zip, err := gzip.NewReader(inner)
	if err != nil {
		return Header{}, archiveError(err)
	}
	h, err := readArchive(zip, trees, limits, to)
	if err != nil {
		return h, err
	}
	// What follows the archive holds the checksums of both layers.
	for _, layer := range []io.Reader{zip, inner} {
		n, err := io.Copy(io.Discard, io.LimitReader(layer, maxTail+1))
		if err != nil || n > maxTail {
			return h, errors.Join(fmt.Errorf("%w: it goes on after its end", ErrDamaged), archiveError(err))
		}
	}
	return h, nil
}

// gzipMagic begins what is inside the encryption (RFC 1952, section 2.3.1).
const gzipMagic = "\x1f\x8b"

// maxTail is more than the padding that tar writes after its end.
const maxTail = 1 << 16
