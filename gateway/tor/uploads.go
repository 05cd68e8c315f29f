package tor

import (
	"strings"
	"time"
)

// lonely is how long after its first upload an onion counts as out with one
// descriptor: the other one's introduction points may never be ready.
const lonely = 30 * time.Second

// uploads follows the descriptors of one onion to the directories. There are
// two at any time, of two time periods (rend-spec, "When to upload
// descriptors"), each on its way when its own introduction points are ready. A
// visitor looks for one of them alone, and asks a directory that had none not
// again for a quarter of an hour: who comes too early is shut out that long.
type uploads struct {
	under map[string][]string // by directory: the descriptors that it was sent, oldest first
	of    map[string]*answers // by descriptor
	first time.Time           // when a directory took one
	out   bool
}

// answers are those of the directories to one descriptor.
type answers struct{ asked, taken, refused int }

func (a answers) enough() bool { return a.taken > 0 && 2*(a.taken+a.refused) >= a.asked }

// sent takes note of an upload that begins. What is out stays so: the uploads of
// every later time period need no memory.
func (u *uploads) sent(directory, descriptor string) {
	if u.out {
		return
	}
	directory = fingerprint(directory)
	if u.of == nil {
		u.under, u.of = make(map[string][]string), make(map[string]*answers)
	}
	if u.of[descriptor] == nil {
		u.of[descriptor] = new(answers)
	}
	u.of[descriptor].asked++
	u.under[directory] = append(u.under[directory], descriptor)
}

// answered takes note of its end: of the one that has been under way for
// longest, since a directory that takes one does not say which.
func (u *uploads) answered(directory string, taken bool, now time.Time) {
	directory = fingerprint(directory)
	if taken && u.first.IsZero() {
		u.first = now
	}
	waiting := u.under[directory]
	if len(waiting) == 0 {
		return
	}
	a := u.of[waiting[0]]
	u.under[directory] = waiting[1:]
	if taken {
		a.taken++
	} else {
		a.refused++
	}
}

// done reports whether visitors find the onion: at least half of the
// directories of each of two descriptors have answered. It stays so.
func (u *uploads) done(now time.Time) bool {
	if u == nil || u.first.IsZero() {
		return false
	}
	enough := 0
	for _, a := range u.of {
		if a.enough() {
			enough++
		}
	}
	u.out = u.out || enough >= 2 || now.Sub(u.first) > lonely
	return u.out
}

// fingerprint is a directory without the nickname, which not every event has.
func fingerprint(directory string) string {
	name, _, _ := strings.Cut(directory, "~")
	return name
}
