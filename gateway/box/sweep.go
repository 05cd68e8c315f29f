package box

import (
	"log/slog"
	"path/filepath"
	"time"

	"tunic/gateway/backup"
	"tunic/gateway/config"
	"tunic/gateway/durable"
)

// Sweep takes away what a power cut left half written in tunic's own directories,
// before the daemon started. What another tunic writes at this moment is younger.
func Sweep(p config.Paths, started time.Time, log *slog.Logger) {
	for dir, suffix := range ownDirs(p) {
		n, err := durable.Sweep(dir, suffix, started)
		if n > 0 {
			log.Info("what an earlier power cut or kill left half written was removed", "directory", dir, "files", n)
		}
		if err != nil {
			log.Warn("what was left half written stays", "directory", dir, "error", err)
		}
	}
	for _, dir := range backup.Leftovers(Trees(p)) { // where the unit lets nobody write
		log.Warn("a restore that was interrupted has left keys and mail: remove the directory, or restore again", "directory", dir)
	}
}

// ownDirs are the directories that files are written in by another name first,
// with the suffix of the configuration's.
func ownDirs(p config.Paths) map[string]string {
	dirs := make(map[string]string)
	for _, dir := range []string{p.State, filepath.Dir(p.OnionKeys("x")), p.Invites(), p.Accounts(), p.CA(), p.Page()} {
		dirs[dir] = ""
	}
	for _, keys := range []string{p.PeerKeys("*"), p.OnionKeys("*"), p.RetiredKeys("*", "*")} {
		found, _ := filepath.Glob(keys) // the pattern is right
		for _, dir := range found {
			dirs[dir] = ""
		}
	}
	for _, dir := range []string{p.Etc, p.DeviceDir(), p.OnionDir(), p.PeerDir(), p.ProfileDir(), p.EndpointDir(), p.GroupDir(),
		p.ServiceDir(), p.PhoneDir()} {
		dirs[dir] = ".toml"
	}
	return dirs
}
