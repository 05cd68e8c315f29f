//go:build lab

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// chaosVariable is how many mails `make chaos-mail` sends; without it there is
// no chaos.
const chaosVariable = "TUNIC_CHAOS_MAIL"

// kills is how many processes are killed while the mails are on their way.
const kills = 30

// testSMTPChaos: every accepted mail arrives exactly once or comes back.
func testSMTPChaos(w *world) {
	n, err := strconv.Atoi(os.Getenv(chaosVariable))
	if err != nil {
		w.Fatal(err)
	}
	a, b := w.mailBoxes()
	w.run("killed processes", func(w *world) { mailChaos(w, a, b, n) })
	w.run("a full disk", func(w *world) { fullDisk(w, a, b) })
}

// sent is what a sender knows of its mails, by subject.
type sent struct {
	mu       sync.Mutex
	accepted []string
	refused  int
	unknown  []string // the connection broke before the answer
}

func (s *sent) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.accepted)
}

func mailChaos(w *world, a, b postBox, n int) {
	w.clear(a)
	w.clear(b)
	begin := time.Now()
	var senders sync.WaitGroup
	var results [2]sent
	for i, pair := range [][2]postBox{{a, b}, {b, a}} {
		senders.Go(func() { keepSending(w, pair[0], pair[1], n/2, &results[i]) })
	}
	over := make(chan struct{})
	go func() { senders.Wait(); close(over) }()
	killed := make(map[string]int)
	for k := 0; k < kills; k++ {
		w.pause(time.Second + rand.N(4*time.Second))
		killed[w.killSomething(a, b)]++
	}
	<-over
	w.Logf("chaos: %d mails accepted in %.0f s, killed: %v", results[0].count()+results[1].count(), time.Since(begin).Seconds(), killed)
	for _, box := range []postBox{a, b} {
		w.alive(box)
		if err := w.lab.WaitReady(w.ctx, box.node, nil); err != nil {
			w.Fatal(err)
		}
	}
	last := time.Time{}
	took := w.eventually("both queues are empty", 6*time.Minute, func() bool {
		if time.Since(last) > 10*time.Second {
			last = time.Now()
			w.must(a.node, "tunic", "mail", "flush")
			w.must(b.node, "tunic", "mail", "flush")
		}
		w.pause(time.Second)
		return len(w.queue(a)) == 0 && len(w.queue(b)) == 0
	})
	w.timed("the end of chaos to empty queues", took)
	verify(w, a, b, &results[0])
	verify(w, b, a, &results[1])
}

// keepSending sends until n mails were accepted. A mail whose answer did not
// come is not sent again under the same name.
func keepSending(w *world, from, to postBox, n int, s *sent) {
	var c *smtp.Client
	for i := 0; s.count() < n && w.ctx.Err() == nil; i++ {
		if c == nil {
			var err error
			if c, err = w.submit(w.ctx, from); err != nil {
				c = nil
				time.Sleep(200 * time.Millisecond)
				continue
			}
		}
		subject := fmt.Sprintf("chaos %s %d.", from.user, i)
		err := sendBy(c, from.at(), to.at(), fmt.Sprintf("From: %s\r\nSubject: %s\r\n\r\n%s\r\n",
			from.at(), subject, strings.Repeat("x", rand.N(2000))))
		s.mu.Lock()
		switch {
		case err == nil:
			s.accepted = append(s.accepted, subject)
		case isAnswer(err):
			s.refused++
		default:
			s.unknown = append(s.unknown, subject)
		}
		s.mu.Unlock()
		if err != nil && !isAnswer(err) {
			c.Close()
			c = nil
		}
		time.Sleep(20 * time.Millisecond) // so that the kills fall between the mails
	}
	if c != nil {
		c.Close()
	}
}

// killSomething kills one process with -9 and returns what it was.
func (w *world) killSomething(a, b postBox) string {
	box := []postBox{a, b}[rand.N(2)]
	what := []string{"run", "serve", "tor", "circuits"}[rand.N(4)]
	switch what {
	case "tor":
		w.signalOn(box.node, syscall.SIGKILL, "tor")
	case "circuits":
		w.exec(box.node, "tunic", "newnym")
	default:
		w.signalOn(box.node, syscall.SIGKILL, "tunic", what)
	}
	w.alive(box)
	return what
}

// alive starts the daemon of a box that has none.
func (w *world) alive(box postBox) {
	w.Helper()
	w.eventually("an ended daemon has gone", 30*time.Second, func() bool {
		if len(w.pidsOn(box.node, "tunic", "run")) > 0 {
			return true
		}
		_, err := w.lab.StartDaemon(box.node)
		return err == nil
	})
}

// verify compares what was accepted with what has arrived.
func verify(w *world, from, to postBox, s *sent) {
	w.Helper()
	arrived, own := once(w.inbox(to), "chaos "), strings.Join(w.inbox(from), "\n")
	lost, bounced := 0, 0
	for _, subject := range s.accepted {
		switch {
		case arrived.subjects[subject] == 1:
		case strings.Contains(own, "Subject: "+subject+"\r\n"):
			bounced++
		default:
			lost++
		}
	}
	late := 0
	for _, subject := range s.unknown {
		late += arrived.subjects[subject]
	}
	w.Logf("%s to %s: %d accepted, of them %d arrived, %d came back, %d lost, %d arrived twice; %d refused; "+
		"of %d without an answer %d arrived",
		from.user, to.user, len(s.accepted), arrived.different-late, bounced, lost, len(arrived.twice), s.refused, len(s.unknown), late)
	if lost > 0 || len(arrived.twice) > 0 {
		w.Errorf("%d mails were lost, twice arrived %v", lost, arrived.twice)
	}
}

// fullDisk: a box whose disk for mail is full says 452, and what it and the
// other have accepted arrives when there is room.
func fullDisk(w *world, a, b postBox) {
	const megabytes, mails = 56, 40
	dir := filepath.Join(w.lab.Root(b.node), "var/lib/tunic/mail")
	w.signalOn(b.node, syscall.SIGKILL, "tunic", "run")
	w.eventually("serve has ended", 30*time.Second, func() bool { return len(w.pidsOn(b.node, "tunic", "serve")) == 0 })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "tmpfs",
		dir).CombinedOutput(); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
	w.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			w.Errorf("%v: %s", err, out)
		}
	})
	w.restart(b)
	c, err := w.submit(w.ctx, a)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	for i := range mails {
		text := fmt.Sprintf("From: %s\r\nSubject: full %d.\r\n\r\n%s", a.at(), i, strings.Repeat(strings.Repeat("x", 98)+"\r\n", 10_000))
		if err := sendBy(c, a.at(), b.at(), text); err != nil {
			w.Fatal(err)
		}
	}
	w.eventually("the sender hears that the disk is full", 3*time.Minute, func() bool {
		w.exec(a.node, "tunic", "mail", "flush")
		w.pause(time.Second)
		for _, l := range w.queue(a) {
			if strings.Contains(l.Recipients[0].Reason, "no room") {
				return true
			}
		}
		return false
	})
	own, err := w.submit(w.ctx, b)
	if err != nil {
		w.Fatal(err)
	}
	defer own.Close()
	rest := filepath.Join(dir, "rest")
	w.exec(b.node, "dd", "if=/dev/zero", "of="+rest, "bs=64k") // until it is full: a small mail may have had room
	if err := sendBy(own, b.at(), a.at(), "From: "+b.at()+"\r\n\r\nx\r\n"); err == nil || !strings.HasPrefix(err.Error(), "452 ") {
		w.Errorf("a full disk took a mail: %v", err)
	}
	w.remove(rest)
	arrived := make(map[string]int)
	var last time.Time
	w.eventually("all mails have arrived", 4*time.Minute, func() bool {
		for subject, n := range once(w.inbox(b), "full ").subjects {
			arrived[subject] += n
		}
		w.clear(b) // the reader makes room
		if time.Since(last) > 3*time.Second {
			w.must(a.node, "tunic", "mail", "flush")
			last = time.Now()
		}
		return len(arrived) == mails && len(w.queue(a)) == 0
	})
	for subject, n := range arrived {
		if n != 1 {
			w.Errorf("%q arrived %d times", subject, n)
		}
	}
	w.Logf("full disk: %d mails of 1 MB through a disk of %d MB, each once", mails, megabytes)
}
