package gateway

import (
	"path/filepath"

	"tunic/gateway/backup"
	"tunic/gateway/config"
	"tunic/gateway/durable"
)

// sweep takes away what a power cut left half written in tunic's own
// directories. What another tunic writes at this moment is younger than the
// daemon.
func (g *Gateway) sweep() {
	for dir, suffix := range ownDirs(g.Paths) {
		n, err := durable.Sweep(dir, suffix, g.started)
		if n > 0 {
			g.Log.Info("what an earlier power cut or kill left half written was removed", "directory", dir, "files", n)
		}
		if err != nil {
			g.Log.Warn("what was left half written stays", "directory", dir, "error", err)
		}
	}
	for _, dir := range backup.Leftovers(BackupTrees(g.Paths)) { // where the unit lets nobody write
		g.Log.Warn("a restore that was interrupted has left keys and mail: remove the directory, or restore again", "directory", dir)
	}
}

// ownDirs are the directories that files are written in by another name first,
// with the suffix of the configuration's.
func ownDirs(p config.Paths) map[string]string {
	dirs := make(map[string]string)
	for _, dir := range []string{p.State, filepath.Dir(p.OnionKeys("x")), p.Invites(), p.Accounts(), p.CA()} {
		dirs[dir] = ""
	}
	for _, keys := range []string{p.PeerKeys("*"), p.OnionKeys("*"), p.RetiredKeys("*", "*")} {
		found, _ := filepath.Glob(keys) // the pattern is right
		for _, dir := range found {
			dirs[dir] = ""
		}
	}
	for _, dir := range []string{p.Etc, p.DeviceDir(), p.OnionDir(), p.PeerDir(), p.ProfileDir(), p.EndpointDir(), p.GroupDir()} {
		dirs[dir] = ".toml"
	}
	return dirs
}
