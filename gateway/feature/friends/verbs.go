package friends

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// Invite makes an invitation, and lets the box that comes with it find our home.
func (f *Feature) Invite(ctx context.Context, r api.InviteRequest) (api.Invitation, error) {
	var i api.Invitation
	err := f.editBook(ctx, feature.Edit{}, func(b *peer.Book) error {
		made, err := b.Invite(r.Name, r.Suggest, r.Auto)
		if err != nil {
			return inviteError(err, r.Name)
		}
		i = api.Invitation{Name: r.Name, Word: made.Word(), Expires: made.Expires,
			Renews: slices.ContainsFunc(f.host.Now().Config.Peers, isPeer(r.Name))}
		return nil
	})
	if err != nil {
		return api.Invitation{}, err
	}
	return i, nil
}

// fault is of verbs about other boxes, and who of them finds what.
var fault = feature.Faults([]health.Code{health.TorRefused}, health.FriendsUnusable, health.NamesUnusable)

// editBook makes a change of what is known of friends and invitations. e has
// what write changes beside; the book is read again if it is undone. It is the book
// of when it is the edit's turn: an edit that was undone meanwhile has left another.
func (f *Feature) editBook(ctx context.Context, e feature.Edit, write func(*peer.Book) error) error {
	var b *peer.Book
	also := e.Undo
	e.Files, e.Fault = append(e.Files, f.Paths.Invites()), fault
	e.Write = func() (err error) {
		if b, err = f.theBook(); err != nil {
			return &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: "try again when the daemon has started"}}
		}
		return write(b)
	}
	e.Undo = func() (err error) {
		if b == nil {
			return nil
		}
		if also != nil {
			err = also()
		}
		return errors.Join(err, f.rereadBook())
	}
	return f.host.Edit(ctx, e)
}

// rereadBook opens the book of the files that were put back.
func (f *Feature) rereadBook() error {
	f.mu.Lock()
	own := f.own
	f.book = nil
	f.mu.Unlock()
	now := f.host.Now()
	book, err := f.openBook(now.Addresses[config.HomeOnion], own)
	return errors.Join(err, book.SetPeers(now.Config.Peers))
}

func isPeer(name string) func(config.Peer) bool {
	return func(p config.Peer) bool { return p.Name == name }
}

// inviteError says what to do about an error of the book.
func inviteError(err error, name string) error {
	switch {
	case errors.Is(err, peer.ErrTaken):
		return feature.Usage(err, "choose another name, or see `tunic friends`")
	case errors.Is(err, peer.ErrOwn):
		return feature.Usage(err, "send the code to your friend: `tunic accept` is for the other box")
	case errors.Is(err, peer.ErrExpired):
		return &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: "ask your friend for a new one: tunic invite"}}
	case errors.Is(err, peer.ErrNoName):
		return feature.Usage(err, "say what this house calls that box: tunic accept CODE --as NAME")
	case errors.Is(err, peer.ErrInvite):
		return feature.Usage(err, peer.WordForm+": copy all of it, from tunic: to its last letter")
	case errors.Is(err, peer.ErrVersion):
		return &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: "update tunic on this box"}}
	case errors.Is(err, peer.ErrNobody), errors.Is(err, peer.ErrNoFriend), errors.Is(err, peer.ErrSame), errors.Is(err, peer.ErrState):
		return feature.Usage(err, "`tunic friends` lists friends and invitations")
	case errors.As(err, new(config.Error)):
		return feature.Usage(err, "")
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Accept keeps an invitation and begins to call the other box.
func (f *Feature) Accept(ctx context.Context, r api.AcceptRequest) (api.Peer, error) {
	var name string
	err := f.editBook(ctx, feature.Edit{}, func(b *peer.Book) (err error) {
		if r.Introduced != "" {
			if name, err = b.AcceptIntroduced(r.Introduced, r.As); errors.Is(err, peer.ErrNobody) {
				return feature.Usage(err, peer.WordForm+"; `tunic friends` lists who was introduced")
			}
		} else {
			var i peer.Invite
			if i, err = peer.ParseInvite(r.Word); err == nil {
				name, err = b.Accept(i, r.As)
			}
		}
		if err != nil {
			return inviteError(err, r.As)
		}
		return nil
	})
	return f.peerCalled(ctx, name, err)
}

// Confirm says that our owner has compared the four words.
func (f *Feature) Confirm(ctx context.Context, r api.PeerRequest) (api.Peer, error) {
	err := f.editBook(ctx, feature.Edit{}, func(b *peer.Book) error {
		if err := b.Confirm(r.Name); err != nil {
			if slices.ContainsFunc(f.host.Now().Config.Peers, isPeer(r.Name)) && errors.Is(err, peer.ErrNobody) {
				return nil // it is a friend
			}
			return inviteError(err, r.Name)
		}
		return nil
	})
	return f.peerCalled(ctx, r.Name, err)
}

// peerCalled returns what there is to say about one name.
func (f *Feature) peerCalled(ctx context.Context, name string, err error) (api.Peer, error) {
	if err != nil {
		return api.Peer{}, err
	}
	list, err := f.Peers(ctx)
	if err != nil {
		return api.Peer{}, err
	}
	if i := slices.IndexFunc(list, func(p api.Peer) bool { return p.Name == name }); i >= 0 {
		return list[i], nil
	}
	return api.Peer{}, fmt.Errorf("%s is not known any more", name)
}

// Forget ends a friendship or an invitation. When it returns tor lets that box
// in no more, whatever it has cached; then what is kept of the friend is deleted.
func (f *Feature) Forget(ctx context.Context, r api.PeerRequest) error {
	e := feature.Edit{Files: f.filesWithFriend(r.Name)}
	if slices.ContainsFunc(f.host.Now().Config.Peers, isPeer(r.Name)) {
		e.Last = func() error {
			b, err := f.theBook()
			if err != nil {
				return err
			}
			return b.Forget(r.Name)
		}
	}
	return f.editBook(ctx, e, func(b *peer.Book) error {
		found, err := b.Withdraw(r.Name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(f.host.Now().Config.Peers, isPeer(r.Name)) {
			return f.removePeer(r.Name)
		}
		if !found {
			return feature.Usage(fmt.Errorf("%w: %q", peer.ErrNobody, r.Name), "`tunic friends` lists friends and invitations")
		}
		return nil
	})
}

// filesWithFriend are the files of the configuration that may name friends.
func (f *Feature) filesWithFriend(names ...string) []string {
	files, _ := filepath.Glob(f.Paths.OnionFile("*")) // the pattern is right
	services, _ := filepath.Glob(f.Paths.ServiceFile("*"))
	files = append(files, services...)
	for _, name := range names {
		files = append(files, f.Paths.PeerFile(name))
	}
	return files
}

// removePeer takes a friend out of the configuration, on the disk and in force.
func (f *Feature) removePeer(name string) error {
	if err := config.RemovePeer(f.Paths, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := config.ForgetClient(f.Paths, name); err != nil {
		return feature.Usage(fmt.Errorf("taking %s out of the clients of onions: %w", name, err),
			"nothing was changed: correct that file first")
	}
	if err := config.ForgetServiceFriend(f.Paths, name); err != nil {
		return feature.Usage(fmt.Errorf("taking %s out of the services: %w", name, err), "nothing was changed: correct that file first")
	}
	f.setPeers(func(list []config.Peer) []config.Peer { return slices.DeleteFunc(list, isPeer(name)) })
	f.regrant(name, "")
	f.Log.Info("a friend's box is forgotten", "peer", name)
	return nil
}

// Introduce leaves an invitation for each other with two friends' boxes.
func (f *Feature) Introduce(ctx context.Context, r api.IntroduceRequest) error {
	e := feature.Edit{Files: []string{f.Paths.PeerKeys(r.Names[0]), f.Paths.PeerKeys(r.Names[1])}}
	return f.editBook(ctx, e, func(b *peer.Book) error {
		if err := b.Introduce(r.Names[0], r.Names[1]); err != nil {
			return inviteError(err, "introducing")
		}
		return nil
	})
}

// Rename gives a friend another name in this house.
func (f *Feature) Rename(ctx context.Context, r api.RenameRequest) (api.Peer, error) {
	moved := false
	e := feature.Edit{Files: f.filesWithFriend(r.From, r.To), Undo: func() error {
		if !moved {
			return nil
		}
		return durable.Rename(f.Paths.PeerKeys(r.To), f.Paths.PeerKeys(r.From))
	}}
	err := f.editBook(ctx, e, func(b *peer.Book) error {
		if err := b.Renames(r.From, r.To); err != nil {
			return inviteError(err, r.From)
		}
		if err := config.RenamePeer(f.Paths, r.From, r.To); err != nil {
			return feature.Usage(err, "`tunic friends` lists the names")
		}
		if _, err := config.RenameClient(f.Paths, r.From, r.To); err != nil {
			return feature.Usage(fmt.Errorf("renaming %s among the clients of onions: %w", r.From, err),
				"nothing was changed: correct that file first")
		}
		if err := config.RenameServiceFriend(f.Paths, r.From, r.To); err != nil {
			return feature.Usage(fmt.Errorf("renaming %s among the friends of services: %w", r.From, err),
				"nothing was changed: correct that file first")
		}
		if err := b.Rename(r.From, r.To); err != nil {
			return err
		}
		_, gone := os.Lstat(f.Paths.PeerKeys(r.To))
		moved = gone == nil
		f.renamePeer(r.From, r.To)
		return nil
	})
	return f.peerCalled(ctx, r.To, err)
}

// renamePeer changes a friend's name in the configuration that is in force.
func (f *Feature) renamePeer(from, to string) {
	f.setPeers(func(list []config.Peer) []config.Peer {
		if i := slices.IndexFunc(list, isPeer(from)); i >= 0 {
			list[i].Name = to
		}
		return list
	})
	f.regrant(from, to)
}

// PeerZone is the domain of friends' names in every house (RFC 8375).
const peerZone = "peer.home.arpa"

// Peers lists friends, then those who may become it.
func (f *Feature) Peers(ctx context.Context) ([]api.Peer, error) {
	b, err := f.theBook()
	if err != nil {
		return nil, &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: "try again when the daemon has started"}}
	}
	served, _ := f.Server.Status(ctx) // without serve nobody was called
	tried := make(map[onion.Address]link.PeerStatus)
	for _, s := range served.Peers {
		tried[peer.Key(s.Onion).Address()] = s
	}
	mail := f.waitingMail(ctx)
	list := []api.Peer{}
	for _, p := range f.host.Now().Config.Peers {
		who := onion.Address(p.Onion)
		s := friendStatus(p, b.Friend(who), b.Outbox(who), tried[who])
		if n := mail[who]; n > 0 {
			s.Waiting = append(s.Waiting, fmt.Sprintf("%d mails", n))
		}
		list = append(list, s)
	}
	for _, p := range b.Pairings() {
		list = append(list, pairingStatus(p, b.Words(p), tried[p.Onion]))
	}
	return list, nil
}

// waitingMail counts the mails that wait for each box.
func (f *Feature) waitingMail(ctx context.Context) map[onion.Address]int {
	counts := make(map[onion.Address]int)
	queue, _ := f.Server.Mail(ctx, link.MailQuestion{Verb: link.MailQueue}) // an error: there is no mail here
	for _, letter := range queue.Messages {
		boxes := make(map[onion.Address]bool)
		for _, r := range letter.Recipients {
			if key, ok := strings.CutSuffix(r.To, "."+peerZone); ok {
				boxes[onion.Address(key[strings.LastIndexByte(key, '@')+1:])] = true
			}
		}
		for box := range boxes {
			counts[box]++
		}
	}
	return counts
}

func friendStatus(p config.Peer, f peer.Friend, outbox []peer.Introduction, tried link.PeerStatus) api.Peer {
	s := api.Peer{Name: p.Name, State: api.PeerFriend, Onion: onion.Address(p.Onion).Host(), Address: p.Name + "." + peerZone,
		Words: f.Words, RoundTrip: f.RoundTrip.Milliseconds(), Endpoints: append([]string{}, f.Endpoints...), Onions: []string{}}
	s.Since, s.LastSeen = timePointer(p.Since), timePointer(f.At)
	s.Error, s.Reachable = tried.Error, !tried.At.IsZero() && tried.Error == ""
	if !s.Reachable && f.At.After(tried.At) { // it has called us since
		s.Error = ""
	}
	for _, o := range f.Offers {
		s.Onions = append(s.Onions, o.Name+"."+s.Address)
	}
	for _, v := range f.Services {
		s.Services = append(s.Services, api.PeerService(v))
	}
	for _, i := range outbox {
		s.Waiting = append(s.Waiting, "an introduction to "+i.Name)
	}
	s.Text = "friend"
	if s.Error != "" {
		s.Text = "friend, not reached: " + s.Error
	}
	return s
}

func pairingStatus(p peer.Pairing, words string, tried link.PeerStatus) api.Peer {
	s := api.Peer{Name: p.Name, Words: words, By: p.By, Error: cmp.Or(p.Reason, tried.Error), Endpoints: []string{}, Onions: []string{},
		Expires: timePointer(p.Expires)}
	if p.Onion != "" {
		s.Onion = p.Onion.Host()
	}
	s.State, s.Text = pairingWords(p, tried)
	return s
}

// pairingWords say how far an invitation has come, and what to do.
func pairingWords(p peer.Pairing, tried link.PeerStatus) (api.PeerState, string) {
	switch p.State {
	case peer.Open, peer.Claimed:
		return api.PeerInvited, fmt.Sprintf("invited, waiting for %s's box to come with the code", p.Name)
	case peer.Proved:
		return api.PeerConfirm, fmt.Sprintf("compare the four words with %s, by voice, then: tunic confirm %s", p.Name, p.Name)
	case peer.Confirmed:
		return api.PeerFinishing, fmt.Sprintf("confirmed; %s's box will connect within a minute", p.Name)
	case peer.Waiting:
		return api.PeerAccepted, fmt.Sprintf("accepted, waiting for %s's box%s", p.Name, because(tried))
	case peer.Answered:
		return api.PeerWaits, fmt.Sprintf("compare the four words with %s, by voice; then %[1]s's side confirms", p.Name)
	case peer.Agreed:
		return api.PeerFinishing, fmt.Sprintf("confirmed, waiting for %s's box%s", p.Name, because(tried))
	case peer.Introduced:
		return api.PeerIntroduced, fmt.Sprintf("introduced by %s; if you want: tunic accept %s", p.By, p.Name)
	}
	return api.PeerFailed, fmt.Sprintf("came to nothing: %s; `tunic forget %s` clears this line", p.Reason, p.Name)
}

func because(tried link.PeerStatus) string {
	if tried.Error == "" {
		return ""
	}
	return ": " + tried.Error
}

func timePointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
