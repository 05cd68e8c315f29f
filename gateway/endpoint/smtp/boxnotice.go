package smtp

import (
	"fmt"
	"io"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// BoxNotice is what the box tells its admins.
type BoxNotice struct {
	ID      string // of this notice alone
	Subject string // one line of ASCII
	Text    string // UTF-8, lines that end with \n
	At      time.Time
}

// TellAdmins puts a notice into the mailboxes of the admins of this box. When it
// returns nil the notice is on the disk. It has one recipient, postmaster of this
// box, and no sender: it is delivered here, or nowhere, and nobody is told if it
// cannot be. The same notice again is no second mail.
func (s *Server) TellAdmins(n BoxNotice) error {
	now := s.now()
	e := &spool.Envelope{ID: derive("admins", n.ID), Origin: spool.Notice, Arrived: n.At,
		Recipients: waiting(postmaster + "@" + address.Domain(now.Home))}
	if name := now.laneOf(e.Recipients[0].To); name != localLane {
		return fmt.Errorf("a notice for the admins would leave this box by %q", name)
	}
	id := fmt.Sprintf("<%s@%s>", e.ID, now.domain())
	header := message.Header{
		message.New("From", fmt.Sprintf("This box <MAILER-DAEMON@%s>", now.domain())),
		message.New("To", fmt.Sprintf("%s@%s", postmaster, now.domain())),
		message.New("Subject", strings.Map(inHeader, n.Subject)),
		message.New("Date", n.At.UTC().Format(time.RFC1123Z)),
		message.New("Message-ID", id),
		message.New("Auto-Submitted", "auto-generated"),
		message.New("MIME-Version", "1.0"),
		message.New("Content-Type", "text/plain; charset=utf-8"),
		message.New("Content-Transfer-Encoding", "8bit"),
	}
	body := s.spool.Draft()
	defer body.Close()
	if _, err := io.WriteString(body, strings.ReplaceAll(n.Text, "\n", "\r\n")); err != nil {
		return err
	}
	return s.commit(e, message.Header{message.New("Return-Path", "<>")}, header, body)
}

// inHeader keeps a text within one line of a header.
func inHeader(r rune) rune {
	if r < ' ' || r > '~' {
		return ' '
	}
	return r
}
