//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/gateway/health"
)

// testNotices: an admin reads by IMAP that something is wrong, and that it has ended,
// and a member reads nothing. Nothing of it leaves the box.
func testNotices(w *world) {
	smtp := filepath.Join(w.paths().EndpointDir(), "smtp.toml")
	w.write(smtp, "")
	w.must("gateway", "sh", "-c", "echo '"+bobsPassword+"' | tunic user add bob")
	w.must("gateway", "sh", "-c", "echo '"+bobsPassword+"' | tunic user add eve")
	undo := w.configured(func(s string) string { return s + "\n[notices]\nmail = true\n" })
	defer func() {
		w.remove(smtp)
		undo()
		w.must("gateway", "tunic", "user", "remove", "eve")
		w.must("gateway", "tunic", "user", "remove", "bob")
	}()
	w.must("gateway", "tunic", "reload")
	w.ready()
	root := filepath.Join(w.TempDir(), "ca.crt")
	if err := os.WriteFile(root, []byte(w.must("gateway", "tunic", "ca")+"\n"), 0o644); err != nil {
		w.Fatal(err)
	}
	m := mailbox{w, root}
	mark := w.wan.MustMark(w)
	w.told(m, "what was found already", "WARNING "+string(health.ClockUntrusted))

	const address = "192.168.77.20:8099"
	w.must("gateway", "tunic", "publish", "brief", "80="+address)
	defer func() { w.must("gateway", "tunic", "unpublish", "brief", "--forget-key", "--yes") }()
	w.told(m, "a target that nobody serves", "WARNING target-unreachable: the onion brief, port 80: "+address)
	end := w.serves(address)
	defer end()
	w.eventually("it is found to be served", goneLimit, func() bool { return !w.found(health.TargetUnreachable) })
	w.told(m, "a target that is served", "ENDED target-unreachable")
	if letters := w.letters("eve"); len(letters) > 0 {
		w.Errorf("a member is told: %q", letters)
	}
	if n := len(w.letters("bob")); n != 3 {
		w.Errorf("%d notices for three things", n)
	}
	if lines := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(lines) > 0 {
		w.Errorf("something beside Tor left the box: %q", lines)
	}
}

// told waits until a notice is in bob's mailbox, as a mail program sees it.
func (w *world) told(m mailbox, what, words string) {
	w.Helper()
	took := w.eventually("a notice of "+what, 4*time.Minute, func() bool {
		for _, text := range w.letters("bob") {
			if strings.Contains(spaced(text), words) {
				return true
			}
		}
		w.pause(time.Second)
		return false
	})
	w.timed("notice of "+what, took)
	newest := m.imap(bobsPassword, imapBox+"INBOX;MAILINDEX=*")
	if !strings.Contains(spaced(newest.Stdout), words) || !strings.Contains(newest.Stdout, "Subject: tunic: ") {
		w.Errorf("by IMAP the newest mail is %q (status %d, %s)", newest.Stdout, newest.Code, newest.Stderr)
	}
}

// letters are the mails in somebody's inbox.
func (w *world) letters(user string) (texts []string) {
	w.Helper()
	for _, dir := range []string{"new", "cur"} {
		paths, _ := filepath.Glob(filepath.Join(w.paths().Mail(), user, "Maildir", dir, "*"))
		for _, path := range paths {
			if text, err := os.ReadFile(path); err == nil { // else it was just moved
				texts = append(texts, string(text))
			}
		}
	}
	return texts
}
