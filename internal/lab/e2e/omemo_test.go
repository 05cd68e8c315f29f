//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/config"
)

// profane is profanity in a terminal, logged in as a box's user.
type profane struct {
	world *world
	box   postBox
	dir   string // its home
}

// profanity starts it. It makes OMEMO keys at once, and trusts those of others
// blindly, as people do. It adds its key to the user's list of keys, but makes
// no list (0.13.1): another client has to have been there.
func (w *world) profanity(box postBox) *profane {
	w.Helper()
	dir, err := os.MkdirTemp("", "profanity")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { os.RemoveAll(dir) })
	p := &profane{w, box, dir}
	w.must(box.laptop, "sh", "-c", "echo "+strconv.Quote(emptyKeyList)+" | "+strings.Join(quoteAll(box.xmpp(w, "--raw", box.at())), " "))
	w.must(box.laptop, "tmux", "-f", "/dev/null", "-S", p.socket(), "new-session", "-d", "-x", "200", "-y", "50",
		"env", "-i", "TERM=screen", "LC_ALL=C.UTF-8", "PATH="+os.Getenv("PATH"), "HOME="+dir, "SSL_CERT_FILE="+box.authority(w),
		"profanity")
	w.Cleanup(func() { w.exec(box.laptop, "tmux", "-S", p.socket(), "kill-server") })
	p.shows("Type '/help'")
	p.types("/connect " + box.at() + " tls force")
	p.shows("Enter password")
	p.types(mailPassword)
	p.shows("logged in successfully")
	p.types("/omemo trustmode blind")
	p.types("/omemo log on")
	p.types("/logging chat on")
	p.types("/omemo gen")
	p.shows("materials generated")
	return p
}

// emptyKeyList publishes it (XEP-0384, version 0.3).
const emptyKeyList = "<iq type='set' id='list'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
	"<publish node='eu.siacs.conversations.axolotl.devicelist'><item id='current'>" +
	"<list xmlns='eu.siacs.conversations.axolotl'/></item></publish></pubsub></iq>"

func (p *profane) socket() string { return filepath.Join(p.dir, "tmux") }

func (p *profane) types(line string) {
	p.world.Helper()
	p.world.must(p.box.laptop, "tmux", "-S", p.socket(), "send-keys", "-l", line)
	p.world.must(p.box.laptop, "tmux", "-S", p.socket(), "send-keys", "Enter")
}

func (p *profane) screen() string {
	return p.world.exec(p.box.laptop, "tmux", "-S", p.socket(), "capture-pane", "-p").Stdout
}

// shows waits until the screen has what an expression says.
func (p *profane) shows(expression string) {
	p.world.Helper()
	defer p.explain()
	want := regexp.MustCompile(expression)
	p.world.eventually(p.box.user+"'s profanity shows "+expression, chatLimit, func() bool { return want.MatchString(p.screen()) })
}

func (p *profane) explain() {
	if p.world.Failed() {
		p.world.Logf("%s sees\n%s", p.box.user, p.screen())
	}
}

// has reports whether the client has decrypted and kept a word.
func (p *profane) has(word string) bool {
	logs, _ := filepath.Glob(filepath.Join(p.dir, ".local/share/profanity/chatlogs/*/*/*.log"))
	for _, log := range logs {
		if text, err := os.ReadFile(log); err == nil && strings.Contains(string(text), word) {
			return true
		}
	}
	return false
}

// tells sends an encrypted message, and once more if the keys of the other side
// were not there yet.
func (p *profane) tells(other *profane, word string) {
	p.world.Helper()
	defer p.explain()
	defer other.explain()
	begin := time.Now()
	for time.Since(begin) < chatLimit {
		p.types("/omemo start " + other.box.at())
		p.world.pause(2 * time.Second)
		p.types("/msg " + other.box.at() + " " + word)
		for sent := time.Now(); time.Since(sent) < 10*time.Second; p.world.pause(20 * time.Millisecond) {
			if other.has(word) {
				p.world.timed("an encrypted message from "+p.box.node, time.Since(sent))
				return
			}
		}
		p.types("/omemo end")
	}
	p.world.Fatalf("%s does not read what %s has encrypted", other.box.user, p.box.user)
}

// knows has each of two people see when the other is there, and so their keys.
func (p *profane) knows(other *profane) {
	p.world.Helper()
	p.types("/sub request " + other.box.at())
	other.shows("(?i)authorization request")
	other.types("/sub allow " + p.box.at())
}

// leaves logs out: a client that is only gone may come back for ten minutes, and
// its server keeps for it what comes meanwhile (XEP-0198).
func (p *profane) leaves() {
	p.world.Helper()
	p.types("/quit")
	p.world.eventually(p.box.user+"'s profanity ends", 30*time.Second, func() bool {
		return p.world.exec(p.box.laptop, "tmux", "-S", p.socket(), "has-session").Code != 0
	})
}

// omemo: what two clients encrypt for each other passes through both boxes, and
// neither can read it.
func omemo(w *world, a, b postBox) {
	atA, atB := w.profanity(a), w.profanity(b)
	atA.knows(atB)
	atB.knows(atA)
	atA.tells(atB, "wooden-spoon")
	atB.tells(atA, "copper-kettle")
	atA.leaves()
	atB.leaves()
	for _, box := range []postBox{a, b} {
		encrypted := false
		err := filepath.WalkDir(config.NewPaths(w.lab.Root(box.node)).XMPP(), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), "wooden-spoon") || strings.Contains(string(text), "copper-kettle") {
				w.Errorf("%s can be read on %s", path, box.node)
			}
			encrypted = encrypted || strings.Contains(string(text), "eu.siacs.conversations.axolotl") &&
				strings.Contains(string(text), "payload")
			return err
		})
		if err != nil || !encrypted {
			w.Errorf("no encrypted message in the archive of %s: %v", box.node, err)
		}
	}
}
