package box

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/backup"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/onion"
)

// Trees are the directories that a backup of a box holds: everything but
// what can be had again, which is tor's view of the network. tor's own state is
// kept: it names the relays by which this box enters, and a new choice would be
// one chance more for a bad one.
func Trees(p config.Paths) []backup.Tree {
	return []backup.Tree{
		{Name: "etc/tunic", Dir: p.Etc, Follow: true},
		{Name: "var/lib/tunic", Dir: p.State, Skip: fleeting, Live: ofAService},
	}
}

// fleeting says what of the state directory is not worth a backup.
func fleeting(rel string) bool {
	if strings.HasPrefix(path.Base(rel), ".new-") { // half written
		return true
	}
	dir, name, below := strings.Cut(rel, "/")
	return below && (strings.HasPrefix(dir, "tor") && name != "state" || dir == "block") ||
		dir == "i2p" && (name == "router" || strings.HasPrefix(name, "router/")) // one router cannot be two boxes
}

// ofAService says which directories belong to a service that runs under a user
// of its own, and goes on while they are stored: tor's, and all mail.
func ofAService(rel string, info fs.FileInfo) bool {
	return info.IsDir() && rel != "." && !strings.Contains(rel, "/") && info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid())
}

// Header says what is in a backup of this box.
func Header(p config.Paths, version string) (backup.Header, error) {
	h := backup.Header{Version: version, Created: time.Now().UTC().Truncate(time.Second), Onions: []backup.Onion{}}
	dirs, err := filepath.Glob(p.OnionKeys("*"))
	if err != nil {
		return h, err
	}
	for _, dir := range dirs {
		if address := onion.Hostname(dir); address != "" {
			h.Onions = append(h.Onions, backup.Onion{Name: filepath.Base(dir), Address: address})
		}
	}
	if len(h.Onions) == 0 && !isDir(p.Etc) {
		return h, feature.Usage(fmt.Errorf("there is nothing to back up: %s and %s hold no onion and no configuration", p.Etc, p.State),
			"is --root right?")
	}
	return h, nil
}

// Occupied says what this box has that a restored backup would take the place
// of, or "".
func Occupied(p config.Paths) (string, error) {
	for _, what := range []struct{ pattern, words string }{
		{p.OnionKeys("[^.]*"), "keys of onions"},
		{filepath.Join(p.OnionDir(), "*.toml"), "published onions"},
		{filepath.Join(p.Etc, "peers", "*.toml"), "friends"},
		{filepath.Join(p.State, "mail", "*"), "mail"},
	} {
		found, err := filepath.Glob(what.pattern)
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return what.words + " (" + found[0] + ")", nil
		}
	}
	return "", nil
}

// CheckRestored looks whether the unpacked directories, in the order of
// Trees, are of a version that this tunic knows, and hold the onions that the
// backup says it does, with keys that tor can use.
func CheckRestored(h backup.Header, dirs []string) error {
	staged := config.Paths{Etc: dirs[0], State: dirs[1]}
	if err := CheckVersion(staged.State); err != nil {
		return err
	}
	var errs []error
	for _, o := range h.Onions {
		if err := config.CheckName(o.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		id, err := onion.ReadIdentity(staged.OnionKeys(o.Name))
		if err == nil && id.Address.Host() != o.Address {
			err = fmt.Errorf("the onion %s has another address than the backup says", o.Name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
