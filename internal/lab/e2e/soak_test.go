//go:build lab

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// soakVariable is for how many minutes `make soak` uses a house; without it there is no
// such test.
const soakVariable = "TUNIC_SOAK"

// Of the soak.
const (
	soakOnions = 10
	soakEvery  = 5 * time.Second  // from one look at the box to the next
	soakKill   = 3 * time.Minute  // about how often tor is killed
	soakRest   = 30 * time.Second // at the end, in which it is not: the house has to be as before
)

// soakTime is how long a house is used, 0 for not at all.
func soakTime() time.Duration {
	minutes, _ := strconv.Atoi(os.Getenv(soakVariable)) // testSoak says so if it is no number
	return time.Duration(minutes) * time.Minute
}

// testSoak uses a house as many people do, kills its tor now and then, and looks whether
// what the box takes stays the same.
func testSoak(w *world) {
	if soakTime() < 5*time.Minute {
		w.Fatalf("%s is %q: it has to be a number of minutes, 5 or more", soakVariable, os.Getenv(soakVariable))
	}
	a, b := w.mailBoxes()
	w.talkers(a, b)
	s := &soak{world: w, a: a, b: b, devices: w.ordinary(0, ordinaries)}
	s.publish()
	w.offer("count", "--friend", a.friend, "--", "/usr/bin/wc", "-c")
	s.stranger = w.visitors(map[string]map[string]string{"stranger": nil})["stranger"]
	s.begin()
	s.listeners = []*listener{w.listen(a, "soak-a"), w.listen(b, "soak-b")}

	ctx, stop := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	chores := s.chores()
	for _, c := range chores {
		for hand := range max(c.hands, 1) {
			group.Go(func() { c.again(ctx, hand) })
		}
	}
	watched := s.watch()
	stop()
	group.Wait()
	s.done(chores)
	watched.judge(w)
}

// soak is a house that is used.
type soak struct {
	*world
	a, b      postBox
	devices   []ordinary
	onions    []string
	stranger  *visitor
	listeners []*listener
	got       int // mails that arrived
}

// publish makes the onions, until the part is over.
func (s *soak) publish() {
	s.Helper()
	for i := range soakOnions {
		path := s.paths().OnionFile(fmt.Sprintf("many%d", i))
		s.write(path, "[ports]\n80 = \""+lab.NASOnionTarget+"\"\n")
		s.Cleanup(func() { s.remove(path) }) // the cleanup of the mail, which comes later, reloads
	}
	s.must("gateway", "tunic", "reload")
	s.published(soakOnions, time.Now())
	for i := range soakOnions {
		s.onions = append(s.onions, s.must("gateway", "tunic", "address", fmt.Sprintf("many%d", i)))
	}
}

// begin waits until each thing works once.
func (s *soak) begin() {
	s.Helper()
	for _, c := range s.chores() {
		for hand := range max(c.hands, 1) {
			var err error
			defer func() {
				if err != nil {
					s.Logf("%s: %v", c.name, err)
				}
			}()
			s.eventually(c.name, 2*time.Minute, func() bool { err = c.do(s.ctx, hand, 0); return err == nil })
		}
	}
	s.clear(s.a)
	s.clear(s.b)
}

// chore is what somebody does again and again, or some do, each for themselves.
type chore struct {
	name  string
	every time.Duration
	hands int // who do it; 0 is one
	do    func(ctx context.Context, hand, i int) error

	times, failed atomic.Int64
	last          atomic.Value // what was wrong the last time that it failed, a string
}

// again does it until ctx ends, one after the other.
func (c *chore) again(ctx context.Context, hand int) {
	for i := hand; wait(ctx, c.every); i++ {
		err := c.do(ctx, hand, i)
		switch {
		case ctx.Err() != nil: // it was cut by the end
		case err != nil:
			c.failed.Add(1)
			c.last.Store(err.Error())
		default:
			c.times.Add(1)
		}
	}
}

// chores are all that is done in the house, and with it.
func (s *soak) chores() []*chore {
	page := func(_ context.Context, hand, _ int) error { return s.fetch(s.devices[hand]) }
	return []*chore{
		{name: "a page of a device", every: 4 * time.Second, hands: len(s.devices), do: page},
		{name: "a name and its page", every: 3 * time.Second, do: s.browses},
		{name: "a page of an onion, for a stranger", every: 2 * time.Second, do: s.visits},
		{name: "a page of an onion, for a friend's device", every: 2 * time.Second, do: s.reads},
		{name: "a mail to the friend", every: 5 * time.Second, do: s.mail(s.a, s.b)},
		{name: "a mail of the friend", every: 5 * time.Second, do: s.mail(s.b, s.a)},
		{name: "a look at the mailbox", every: 10 * time.Second, do: s.looks},
		{name: "a message to the friend", every: 10 * time.Second, do: s.chats(s.a, s.b)},
		{name: "a message of the friend", every: 10 * time.Second, do: s.chats(s.b, s.a)},
		{name: "a service for the friend", every: 5 * time.Second, do: s.uses},
	}
}

// sees runs a program, in whose output there has to be a word.
func (s *soak) sees(ctx context.Context, node, word string, args ...string) error {
	r, err := s.lab.Exec(ctx, node, args...)
	if err == nil && (r.Code != 0 || !strings.Contains(r.Stdout, word)) {
		err = fmt.Errorf("status %d, %.200q, %.200q", r.Code, r.Stdout, r.Stderr)
	}
	return err
}

func (s *soak) browses(ctx context.Context, _, _ int) error {
	r, err := s.lab.Exec(ctx, "phone", "curl", "-sS", "-m", "20", "http://v4.example/ip")
	if from := strings.TrimSpace(r.Stdout); err == nil && !house.IsExit(from) {
		err = fmt.Errorf("the phone arrived from %q, which is no exit: %.200q", from, r.Stderr)
	}
	return err
}

const nasPage = "This is the nas."

func (s *soak) visits(ctx context.Context, _, i int) error {
	return s.sees(ctx, lab.InternetNode, nasPage, s.stranger.args(20, "http://"+s.onions[i%soakOnions]+"/")...)
}

func (s *soak) reads(ctx context.Context, _, i int) error {
	return s.sees(ctx, s.b.laptop, nasPage, "curl", "-sS", "-m", "20", "http://"+s.onions[i%soakOnions]+"/")
}

func (s *soak) looks(ctx context.Context, _, _ int) error {
	return s.sees(ctx, s.a.laptop, "INBOX", "curl", "-sSk", "-m", "20", "-u", s.a.user+":"+mailPassword, "imaps://"+s.a.addr+"/")
}

func (s *soak) uses(ctx context.Context, _, _ int) error {
	return s.sees(ctx, s.b.node, "5", "sh", "-c", "printf 12345 | timeout 30 tunic pipe "+s.b.friend+" count")
}

// mail hands one mail in.
func (s *soak) mail(from, to postBox) func(context.Context, int, int) error {
	return func(ctx context.Context, _, i int) error {
		c, err := s.submit(ctx, from)
		if err != nil {
			return err
		}
		defer c.Close()
		text := fmt.Sprintf("From: %s\r\nSubject: soak %d\r\n\r\n%s\r\n", from.at(), i, strings.Repeat("x", 200))
		return sendBy(c, from.at(), to.at(), text)
	}
}

// chats sends one message.
func (s *soak) chats(from, to postBox) func(context.Context, int, int) error {
	send := strings.Join(quoteAll(from.xmpp(s.world, to.at())), " ")
	return func(ctx context.Context, _, i int) error {
		return s.sees(ctx, from.laptop, "", "sh", "-c", fmt.Sprintf("echo soak-%d | ", i)+send)
	}
}

// watch looks at the box until the time is over, kills its tor and has mail read meanwhile.
// The kills are so far apart that as many are in the second fifth of the time as in the
// last, each at the same place in it: what these have is compared.
func (s *soak) watch() *watched {
	s.Helper()
	all, seen := soakTime(), s.watched()
	apart := all * 3 / 5
	apart /= max(1, (apart+soakKill/2)/soakKill)
	begin, kills := time.Now(), 0
	for next := begin; time.Since(begin) < all; next = next.Add(soakEvery) {
		s.pause(time.Until(next))
		seen.look(s.world, time.Since(begin))
		s.got += len(s.inbox(s.a)) + len(s.inbox(s.b))
		s.clear(s.a)
		s.clear(s.b)
		if time.Since(begin) < apart*time.Duration(kills+1) || all-time.Since(begin) < soakRest {
			continue
		}
		kills++
		if n := s.signal(syscall.SIGKILL, "tor", "--defaults-torrc"); n != 1 {
			s.Errorf("after %v there were %d tors to kill", time.Since(begin).Round(time.Second), n)
		}
	}
	s.Logf("tor was killed %d times", kills)
	return seen
}

// done tells what was done, and fails where most of something was not: nothing would be
// known of it.
func (s *soak) done(chores []*chore) {
	s.Helper()
	for _, c := range chores {
		times, failed := c.times.Load(), c.failed.Load()
		s.Logf("%s: %d times, %d not, the last time: %v", c.name, times, failed, cmp.Or(c.last.Load(), any("")))
		if times == 0 || failed > times/2 {
			s.Errorf("%s: it worked %d times, and did not %d times", c.name, times, failed)
		}
	}
	heard := len(s.listeners[0].heard("soak")) + len(s.listeners[1].heard("soak"))
	s.Logf("%d mails and %d messages arrived", s.got, heard)
	if least := int(soakTime().Minutes()); s.got < least || heard < least {
		s.Errorf("%d mails and %d messages arrived, fewer than one a minute", s.got, heard)
	}
}
