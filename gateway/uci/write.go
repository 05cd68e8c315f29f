package uci

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/durable"
)

// ErrOwn is Write's error where tunic.toml is its owner's own, not from UCI.
var ErrOwn = errors.New("was not written from /etc/config/tunic, and stays as it is")

// ErrChanged is Write's error where tunic.toml was changed since it came from UCI, by a
// verb or by hand: to write it again would lose that.
var ErrChanged = errors.New("was changed since it was written from /etc/config/tunic, and stays as it is: " +
	"write the change into /etc/config/tunic and delete this file, or take its first two lines away")

// maxFileSize bounds what is read of a file of UCI, in bytes.
const maxFileSize = 1 << 20

// Write makes tunic.toml from /etc/config/tunic and /etc/config/network below the
// root, whole or not at all, and reports whether it is another one than before.
// Mistakes are config.Errors with the lines of the files of UCI; with one, nothing
// is written.
func Write(p config.Paths) (changed bool, err error) {
	old, err := os.ReadFile(p.Main())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading what is there: %w", err)
	}
	if err == nil && !bytes.HasPrefix(old, []byte(FirstLine)) {
		return false, fmt.Errorf("%s %w", p.Main(), ErrOwn)
	}
	if err == nil && !bytes.Equal(old, summed(afterLines(old, 2))) {
		return false, fmt.Errorf("%s %w", p.Main(), ErrChanged)
	}
	text, err := Translate(p)
	if err != nil || bytes.Equal(text, old) {
		return false, err
	}
	if err := durable.MkdirAll(p.Etc, 0o700); err != nil {
		return false, fmt.Errorf("making the directory of the configuration: %w", err)
	}
	if err := durable.Write(p.Main(), text, 0o600); err != nil {
		return false, fmt.Errorf("writing %s: %w", p.Main(), err)
	}
	return true, nil
}

// summed is the file whose lines from the third on are body: the second is their sum,
// by which a change is seen.
func summed(body []byte) []byte {
	return fmt.Appendf(nil, "%s\n# sha256 %x\n%s", FirstLine, sha256.Sum256(body), body)
}

// afterLines is what follows the first n lines.
func afterLines(text []byte, n int) []byte {
	for range n {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}

// Translate is the tunic.toml that Write makes, checked together with all other
// files of the configuration.
func Translate(p config.Paths) ([]byte, error) {
	path := filepath.Join(p.Root, "etc/config/tunic")
	tunic, err := read(path)
	if err != nil {
		return nil, err
	}
	network, err := read(filepath.Join(p.Root, "etc/config/network"))
	if err != nil {
		return nil, err
	}
	t := translate(path, tunic, network)
	if len(t.errs) > 0 {
		return nil, t.errs
	}
	_, err = config.LoadWith(p, t.text())
	if errs, ok := errors.AsType[config.Errors](err); ok {
		return nil, t.told(p.Main(), errs)
	}
	return t.text(), err
}

// read parses a file of UCI.
func read(path string) ([]Section, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil && info.Size() > maxFileSize {
		err = fmt.Errorf("it is larger than %d bytes", maxFileSize)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading OpenWrt's configuration: %w", err)
	}
	return Parse(path, strings.TrimPrefix(string(text), "\xef\xbb\xbf"))
}
