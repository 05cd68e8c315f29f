//go:build lab

package dovecot

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/gateway/managed"
)

// A part of a mail that is too big for memory is decoded beside the mail, on its disk: /tmp is small,
// in memory, and commands of friends write there too.
func TestNothingIsDecodedInTmp(t *testing.T) {
	b := newBox(t)
	b.Apply([]managed.Spec{b.settings.Spec()})
	b.ready(0)
	mail := filepath.Join(b.settings.Mail, "bob/Maildir/new/1.x.tunic")
	content := strings.Repeat("0123456789abcdef", 100_000)
	text := "Subject: photo\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(content)) + "\r\n"
	err := errors.Join(os.WriteFile(mail, []byte(text), 0o660), os.Chown(mail, 0, int(b.settings.GID)), os.Chmod(mail, 0o660))
	if err != nil {
		t.Fatal(err)
	}
	s := b.dial("192.168.77.10")
	s.say(`LOGIN bob "tall order of chips"`)
	s.say("SELECT INBOX")
	notes, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(notes)
	if _, err := unix.InotifyAddWatch(notes, os.TempDir(), unix.IN_CREATE); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(s, "b FETCH 1 BINARY.PEEK[1]\r\n")
	var got strings.Builder
	for !strings.Contains(got.String(), "\nb ") {
		line, err := s.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(line)
	}
	if !strings.Contains(got.String(), content) {
		t.Errorf("it was not decoded: %.200s", got.String())
	}
	events := make([]byte, 65536)
	if n, _ := unix.Read(notes, events); n > 0 && strings.Contains(string(events[:n]), "dovecot.imap") {
		t.Errorf("a file was made in %s", os.TempDir())
	}
}
