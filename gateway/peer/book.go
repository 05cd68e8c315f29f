package peer

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// Errors that a person's words lead to. All are wrapped with what to do.
var (
	ErrTaken    = errors.New("the name is taken")
	ErrOwn      = errors.New("this is this box's own invitation: it is for a friend's box")
	ErrExpired  = errors.New("the invitation has expired")
	ErrNoName   = errors.New("the invitation suggests no name")
	ErrNobody   = errors.New("there is no such friend or invitation")
	ErrNoFriend = errors.New("this is no friend yet")
	ErrSame     = errors.New("two friends are introduced to each other")
	ErrState    = errors.New("there is nothing to confirm")
)

// Options are what a Book needs. All are required.
type Options struct {
	Paths config.Paths
	Now   func() time.Time
	Self  onion.Address                           // our home onion
	Sign  func(message []byte) (Signature, error) // with its key
}

// Book is the parent's memory of invitations and friends. Each method keeps
// what it changed on the disk before it returns; if that fails nothing has
// changed. Methods may be called from several goroutines.
type Book struct {
	Options
	mu       sync.Mutex
	pairings map[ID]*Pairing
	peers    []config.Peer             // as the configuration has them
	friends  map[onion.Address]*Friend // what we know of them
	own      map[onion.Address]bool    // addresses of this box beside Self
	granted  *Granted                  // which offers of friends are in force
	heard    map[onion.Address]heard   // of friends, not kept on the disk
	damaged  map[onion.Address]bool    // friends of whom not all could be read: it is tried again
	unread   bool                      // the same for invitations
	changes  uint64
}

// Changes counts the changes of invitations. Who compares two counts knows
// whether something that was asked for has changed anything.
func (b *Book) Changes() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes
}

// OpenBook reads what is under way. A file that cannot be read is an error of
// its own and leaves the others usable.
func OpenBook(o Options) (*Book, error) {
	b := &Book{Options: o, granted: new(Granted), pairings: make(map[ID]*Pairing), friends: make(map[onion.Address]*Friend),
		heard: make(map[onion.Address]heard), unread: true}
	return b, b.Reread()
}

// Reread reads the invitations that could not be read before, if there are any.
func (b *Book) Reread() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.unread {
		return nil
	}
	known := make(map[string]bool)
	for id := range b.pairings {
		known[b.file(id)] = true
	}
	entries, err := os.ReadDir(b.Paths.Invites())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	for _, e := range entries {
		path := filepath.Join(b.Paths.Invites(), e.Name())
		if filepath.Ext(path) != ".json" || known[path] {
			continue
		}
		var p Pairing
		if _, readErr := read(path, &p); readErr != nil {
			err = errors.Join(err, fmt.Errorf("reading an invitation: %w", readErr))
			continue
		}
		b.pairings[p.Invite] = &p
	}
	b.unread = err != nil
	return err
}

func (b *Book) file(id ID) string { return filepath.Join(b.Paths.Invites(), id.String()+".json") }

// change keeps a changed copy of a pairing, and then makes it the one in force.
func (b *Book) change(p Pairing) error {
	if err := save(b.file(p.Invite), p); err != nil {
		return fmt.Errorf("keeping an invitation: %w", err)
	}
	b.pairings[p.Invite] = &p
	b.changes++
	return nil
}

func (b *Book) drop(id ID) error {
	if err := drop(b.file(id)); err != nil {
		return fmt.Errorf("removing an invitation: %w", err)
	}
	delete(b.pairings, id)
	b.changes++
	return nil
}

// Tidy ends what has expired and returns whether that changes who may come.
func (b *Book) Tidy() (changed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.sorted() {
		switch {
		case b.isFriend(p): // a power cut came between the last two steps
			err = errors.Join(err, b.drop(p.Invite))
		case !p.expired(b.Now()):
			continue
		case p.dials():
			next := *p
			next.State, next.Reason = Failed, ErrExpired.Error()+" before the other box was reached: ask for a new one"
			err = errors.Join(err, b.change(next))
		case p.Role == Inviter || b.Now().After(p.Expires.Add(Lifetime)):
			err = errors.Join(err, b.drop(p.Invite))
		default:
			continue
		}
		changed = true
	}
	return changed, err
}

// isFriend reports whether a box that has invited us is in the configuration
// already, with the keys of this very invitation.
func (b *Book) isFriend(p *Pairing) bool {
	f := b.friends[p.Onion]
	return p.Role == Invited && p.State == Agreed && f != nil && f.key == p.Secret
}

// sorted are the pairings by name, then by when they end.
func (b *Book) sorted() []*Pairing {
	var list []*Pairing
	for _, p := range b.pairings {
		list = append(list, p)
	}
	slices.SortFunc(list, func(x, y *Pairing) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), x.Expires.Compare(y.Expires), cmp.Compare(x.Invite.String(), y.Invite.String()))
	})
	return list
}

// named returns the pairing under way that will get a name.
func (b *Book) named(name string, states ...State) *Pairing {
	for _, p := range b.sorted() {
		if p.Name == name && (len(states) == 0 || slices.Contains(states, p.State)) {
			return p
		}
	}
	return nil
}

// peer returns the friend with a name or an onion.
func (b *Book) peer(is func(config.Peer) bool) (config.Peer, bool) {
	if i := slices.IndexFunc(b.peers, is); i >= 0 {
		return b.peers[i], true
	}
	return config.Peer{}, false
}

func byName(name string) func(config.Peer) bool {
	return func(p config.Peer) bool { return p.Name == name }
}

func byOnion(a onion.Address) func(config.Peer) bool {
	return func(p config.Peer) bool { return p.Onion == string(a) }
}

// free says whether a name may become that of the box with this onion, which is
// "" when it is not known yet.
func (b *Book) free(name string, who onion.Address) error {
	if err := config.CheckPetname(name); err != nil {
		return err
	}
	if p, ok := b.peer(byName(name)); ok && p.Onion != string(who) {
		return fmt.Errorf("%w: a friend is called %s already", ErrTaken, name)
	}
	p := b.named(name, Open, Claimed, Proved, Confirmed, Waiting, Answered, Agreed)
	if p != nil && (p.Onion == "" || p.Onion != who) {
		return fmt.Errorf("%w: an invitation for %s is under way already", ErrTaken, name)
	}
	return nil
}

// Invite makes an invitation for a box that will be called name; suggest is
// what its owner may call ours, or "". With auto nobody is asked to confirm. A
// name that a friend has renews the keys, and only that friend's box can use
// the word. The same again returns the same word, as long as nobody has come.
func (b *Book) Invite(name, suggest string, auto bool) (Invite, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if suggest != "" {
		if err := config.CheckPetname(suggest); err != nil {
			return Invite{}, err
		}
	}
	if p := b.named(name, Open); p != nil && !p.expired(b.Now()) {
		next := *p
		next.Auto, next.Suggest = auto, cmp.Or(suggest, p.Suggest)
		return next.invite(b.Self), b.change(next)
	}
	old, renews := b.peer(byName(name))
	if err := b.free(name, onion.Address(old.Onion)); err != nil {
		return Invite{}, err
	}
	p, err := newPairing(Inviter, Open, name, newToken(), b.Now().Add(Lifetime).Truncate(time.Second).UTC())
	if err != nil {
		return Invite{}, err
	}
	p.Auto, p.Suggest = auto, suggest
	if renews {
		p.Onion, p.Pinned = onion.Address(old.Onion), true
	}
	return p.invite(b.Self), b.change(p)
}

// Accept takes an invitation, and keeps it until the other box is reached. as
// is what this house will call that box; "" means what the word suggests.
func (b *Book) Accept(i Invite, as string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := i.Token.ID()
	old := b.pairings[id]
	switch {
	case b.ours(i.Onion) || old != nil && old.Role == Inviter:
		return "", ErrOwn
	case old != nil && old.State != Failed && (as == "" || as == old.Name):
		return old.Name, nil // it is under way
	case b.Now().After(i.Expires):
		return "", ErrExpired
	}
	name, err := b.nameFor(i, as)
	if err != nil {
		return "", err
	}
	p, err := newPairing(Invited, Waiting, name, i.Token, i.Expires)
	if err != nil {
		return "", err
	}
	if old != nil { // the same keys as before, or the other box would not know us
		p = *old
		p.Name, p.State, p.Reason = name, cmp.Or(resumed(old.State), Waiting), ""
	}
	p.Onion, p.Pinned = i.Onion, true
	return name, b.change(p)
}

// resumed is the state in which a pairing goes on under another name.
func resumed(s State) State {
	if s == Failed {
		return Waiting
	}
	return s
}

// nameFor finds what a box will be called here.
func (b *Book) nameFor(i Invite, as string) (string, error) {
	friend, known := b.peer(byOnion(i.Onion))
	name := cmp.Or(as, friend.Name, i.Name)
	switch {
	case name == "":
		return "", ErrNoName
	case known && name != friend.Name:
		return "", fmt.Errorf("%w: this box is called %s here already; `tunic rename %s %s` changes that",
			ErrTaken, friend.Name, friend.Name, name)
	}
	return name, b.free(name, i.Onion)
}

// AcceptIntroduced says yes to what a friend has proposed.
func (b *Book) AcceptIntroduced(name, as string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.named(name, Introduced)
	if p == nil {
		return "", fmt.Errorf("%w: %q is neither an invitation (tunic:...) nor the name of a box that was introduced", ErrNobody, name)
	}
	next := *p
	next.Name = cmp.Or(as, name)
	if err := b.free(next.Name, p.Onion); err != nil {
		return "", err
	}
	next.State, next.Auto = Waiting, true
	if p.Role == Inviter {
		next.State = Open
	}
	return next.Name, b.change(next)
}

// Confirm says that the owner has compared the four words.
func (b *Book) Confirm(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.named(name, Proved); p != nil {
		next := *p
		next.State = Confirmed
		return b.change(next)
	}
	switch p := b.named(name); {
	case p == nil:
		return fmt.Errorf("%w: %q", ErrNobody, name)
	case p.State == Confirmed:
		return nil
	case p.Role == Invited:
		return fmt.Errorf("%w: %s's side invited, so it is confirmed there", ErrState, name)
	default:
		return fmt.Errorf("%w yet: %s's box has not answered the invitation", ErrState, name)
	}
}

// Withdraw ends what is under way with somebody. It reports whether there was
// anything.
func (b *Book) Withdraw(name string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	friend, _ := b.peer(byName(name))
	found := false
	for _, p := range b.sorted() {
		if p.Name != name && (friend.Onion == "" || string(p.Onion) != friend.Onion) {
			continue
		}
		if err := b.drop(p.Invite); err != nil {
			return found, err
		}
		found = true
	}
	return found, nil
}

// Pairings are copies of all that is under way, without what is only kept for
// an answer.
func (b *Book) Pairings() []Pairing {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Pairing
	for _, p := range b.sorted() {
		if p.State != Finished {
			list = append(list, *p)
		}
	}
	return list
}

// Words are the four words of a pairing, "" if they are not known yet.
func (b *Book) Words(p Pairing) string { return p.words(b.Self) }

// cleanName is a petname that nobody has, as near to the wanted one as can be.
func (b *Book) cleanName(name string, who onion.Address) string {
	for n := 2; ; n++ {
		p, taken := b.peer(byName(name))
		if !taken || p.Onion == string(who) {
			return name
		}
		name = numbered(name, n)
	}
}

// numbered is a petname with a number after it.
func numbered(name string, n int) string {
	stem := name[:min(len(name), maxPetname-4)]
	return strings.TrimRight(stem, "-") + fmt.Sprintf("-%d", n)
}
