package services

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/drop"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// Bounds of one friend who sends files. A large one takes hours through Tor.
const (
	sendersAtOnce = 2
	sendingTime   = 24 * time.Hour
)

// makeInbox makes the directory of files that friends send, for serve alone. The one
// around it is root's.
func makeInbox(s *feature.Scene, r *feature.Report) {
	if s.Config.Inbox.Quota == 0 || len(s.Config.Peers) == 0 {
		return
	}
	dir := s.Paths.Drop()
	err := os.Mkdir(dir, 0o700)
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = os.Lchown(dir, int(s.Serve.UID), int(s.Serve.GID))
	}
	if err != nil {
		r.Find(health.ServiceUnusable, config.DropService, "friends can send no files: %v", fmt.Errorf("making the inbox: %w", err))
	}
}

// inbox is the service by which all friends may send files.
func inbox(s feature.Scene) []link.OwnService {
	if s.Config.Inbox.Quota == 0 || len(s.Config.Peers) == 0 {
		return nil
	}
	o := link.OwnService{Name: config.DropService, Drop: &link.Drop{Dir: s.Paths.Drop(), Quota: s.Config.Inbox.Quota},
		AtOnce: sendersAtOnce, Time: sendingTime}
	for _, p := range s.Config.Peers {
		o.Friends = append(o.Friends, who(p))
	}
	return []link.OwnService{o}
}

// reportInbox says which friends have sent files that nobody has taken. Serve, which has
// the inbox, may have been taken over: names are cleaned again. A friend has chosen them, so
// among the box's own words they are quoted.
func reportInbox(s feature.Scene, status *api.Status) {
	list, err := drop.Waiting(s.Paths.Drop())
	if err != nil && !errors.Is(err, drop.ErrMany) {
		return // what is wrong with a disk is said elsewhere
	}
	for told := 0; len(list) > 0 && told < maxTold; told++ {
		from := list[0].From
		n := slices.IndexFunc(list, func(f drop.File) bool { return f.From != from })
		if n < 0 {
			n = len(list)
		}
		last := list[n-1] // the oldest is first
		who, what := drop.Clean(from), "A file of %s waits"
		if n > 1 {
			what = strconv.Itoa(n) + " files of %s wait"
		}
		status.Findings = append(status.Findings, health.New(health.FilesWaiting, who, fmt.Sprintf(
			what+" in the inbox, the latest is %q of %s: `tunic inbox` lists all", who, shortened(drop.Clean(last.Name)),
			last.At.Local().Format("2 January, 15:04"))))
		list = list[n:]
	}
}

// maxTold is of how many friends it is told that files of theirs wait.
const maxTold = 50

// maxShown is how much is shown of a file's name, in characters.
const maxShown = 60

func shortened(name string) string {
	if runes := []rune(name); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return name
}
