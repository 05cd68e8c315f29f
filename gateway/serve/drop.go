package serve

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"tunic/gateway/drop"
	"tunic/gateway/link"
)

// senderPatience is how long a friend who sends a file may send nothing of it.
const senderPatience = 3 * time.Minute

// receive takes a file from a friend into the inbox.
func (s *services) receive(o *opened, to link.Drop, petname string) error {
	inbox, err := s.openInbox(to.Dir)
	if err != nil {
		return err
	}
	fromFriend, in := io.Pipe()
	out, toFriend := io.Pipe()
	o.ReadWriteCloser = &sender{out, in}
	o.half = in.Close
	done := make(chan error, 1)
	o.fine = func() bool { return <-done == nil }
	go func() {
		kept, err := s.keep(inbox, &patient{fromFriend, toFriend}, petname, to.Quota)
		if err == nil {
			s.log.Info("a file of a friend is in the inbox", "friend", petname, "name", kept)
		}
		if errors.As(err, new(drop.Refused)) { // as the service should
			err = nil
		}
		done <- err
		fromFriend.CloseWithError(io.ErrClosedPipe)
		toFriend.Close()
	}()
	return nil
}

// keep speaks with the friend. A bug in it ends this connection alone.
func (s *services) keep(inbox *drop.Inbox, c io.ReadWriter, petname string, quota int64) (kept string, err error) {
	defer func() {
		if p := recover(); p != nil { // its value may quote what the friend has sent
			s.log.Error("the inbox has failed", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = errors.New("the inbox has failed")
		}
	}()
	kept, err = inbox.Receive(c, petname, quota)
	if err != nil {
		s.log.Warn("a file of a friend was not kept", "friend", petname, "error", err)
	}
	return kept, err
}

// openInbox opens the inbox when its first file comes.
func (s *services) openInbox(dir string) (*drop.Inbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inbox == nil {
		inbox, err := drop.Open(dir)
		if err != nil {
			return nil, err
		}
		s.inbox = inbox
	}
	return s.inbox, nil
}

// sender is the friend's side of a file's way.
type sender struct {
	*io.PipeReader
	in *io.PipeWriter
}

func (c *sender) Write(p []byte) (int, error) { return c.in.Write(p) }

// Close breaks both directions: what has not come is missing then.
func (c *sender) Close() error {
	return errors.Join(c.in.CloseWithError(io.ErrUnexpectedEOF), c.PipeReader.CloseWithError(io.ErrClosedPipe))
}

// patient gives up when nothing comes for a while.
type patient struct {
	*io.PipeReader
	io.Writer
}

func (c *patient) Read(p []byte) (int, error) {
	late := time.AfterFunc(senderPatience, func() { c.PipeReader.CloseWithError(errors.New("nothing came for too long")) })
	defer late.Stop()
	return c.PipeReader.Read(p)
}
