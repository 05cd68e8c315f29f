package services

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tunic/gateway/config"
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
