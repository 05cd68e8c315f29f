//go:build lab

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/drop"
	"tunic/gateway/health"
)

// fromFriends lists what has come to alice's box.
func (w *world) fromFriends() (paths []string) {
	w.Helper()
	var list []drop.File
	if err := json.Unmarshal([]byte(w.must("gateway", "tunic", "inbox", "--json")), &list); err != nil {
		w.Fatal(err)
	}
	for _, f := range list {
		paths = append(paths, f.Path())
	}
	return paths
}

// sendFiles: bob's files are in alice's inbox, whole, under names that are none of
// others', and what has no room is refused before it is sent.
func sendFiles(w *world) {
	dir := w.TempDir()
	photo := filepath.Join(dir, "photo.jpg")
	content := strings.Repeat("a picture of the sea. ", 50_000)
	w.write(photo, content)
	begin := time.Now()
	w.must("friend", "tunic", "send", "alice", photo)
	w.timed("1.1 MB to the friend's disk", time.Since(begin))
	header := "1 " + strings.Repeat("0", 64) + " "
	if said := w.says("1", "drop\\r\\n1"+strings.Repeat("0", 10)+header[1:]+"../../x\\r\\n"); !strings.Contains(said, "-it is too large") {
		w.Errorf("10 GB: %q", said)
	}
	// the sum of "1\n", and a name that wants to be elsewhere
	const sum = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	if said := w.says("1", "drop\\r\\n2 "+sum+" ../../../photo.jpg\\r\\n1\\n"); !strings.Contains(said, "+photo-2.jpg") {
		w.Errorf("another of that name: %q", said)
	}
	if got := strings.Join(w.fromFriends(), " "); got != "bob/photo.jpg bob/photo-2.jpg" {
		w.Errorf("the inbox: %q", got)
	}
	w.finds(health.FilesWaiting, "2 files of bob wait", "photo-2.jpg")
	to := w.TempDir()
	w.must("gateway", "tunic", "inbox", "take", "bob/photo.jpg", to)
	if got, err := os.ReadFile(filepath.Join(to, "photo.jpg")); err != nil || string(got) != content {
		w.Errorf("what was taken: %d bytes, %v", len(got), err)
	}
	w.must("gateway", "tunic", "inbox", "remove", "photo-2.jpg")
	if left, err := filepath.Glob(filepath.Join(config.NewPaths(w.lab.Root("gateway")).Drop(), "bob", "*")); len(left) > 0 || err != nil {
		w.Errorf("%q is left, %v", left, err)
	}
	if long {
		waitForBox(w, photo)
	}
}

// waitForBox: a file for a box that is off is sent when it is there again.
func waitForBox(w *world, photo string) {
	w.Helper()
	p, err := w.lab.Daemon("gateway")
	if err != nil {
		w.Fatal(err)
	}
	if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil {
		w.Fatal(err)
	}
	done := make(chan int, 1)
	go func() { done <- w.exec("friend", "tunic", "send", "alice", photo).Code }()
	time.Sleep(20 * time.Second)
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	if err := w.lab.WaitReady(w.ctx, "gateway", nil); err != nil {
		w.Fatal(err)
	}
	begin := time.Now()
	select {
	case code := <-done:
		if code != 0 || strings.Join(w.fromFriends(), " ") != "bob/photo.jpg" {
			w.Errorf("status %d, %q", code, w.fromFriends())
		}
	case <-time.After(4 * time.Minute):
		w.Error("nothing was sent within 4 minutes")
	}
	w.timed("the other box's start to its having the file", time.Since(begin))
	w.must("gateway", "tunic", "inbox", "remove", "photo.jpg")
}
