package setup

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"

	"tunic/gateway/feature"
)

// Topic is what a question is about.
type Topic string

// The questions, in their order. AskBeside stands for AskHousehold on a box with one cable.
const (
	AskHousehold Topic = "household" // names of interfaces
	AskBeside    Topic = "beside"    // yes or no
	AskOthers    Topic = "others"    // names of interfaces, or none
	AskInbound   Topic = "inbound"   // yes or no
	AskServers   Topic = "servers"   // mail, chat, both or none
	AskUser      Topic = "user"      // a name, or none
)

var yesNo = []string{"yes", "no"}

// Question is what is asked, for whoever shows it otherwise than a terminal does.
type Question struct {
	Topic   Topic
	Number  int        // 1 is the first
	Options []string   // of which the answer is; nil for a name
	Default []string   // the answer if somebody gives none
	Ports   []string   // of AskInbound: "tcp/22"
	Who     netip.Addr // of AskInbound: who is connected from outside now; zero is nobody
}

// ErrAnswer is returned for a last answer that cannot be used.
var ErrAnswer = errors.New("this answer cannot be used")

// Next is the question that comes after those that were answered, in the words that a
// terminal takes. Topic is "" when there is none left; then answers are all, and
// a user has no password yet. With ErrAnswer the question is the one whose answer is wrong.
func Next(ctx context.Context, b Box, given []string, checkUser func(name string) error) (q Question, answers Answers, err error) {
	errMore := errors.New("the next question")
	a := &Asker{Out: io.Discard, once: true, Line: func(context.Context) (string, error) {
		if len(given) == 0 {
			return "", errMore
		}
		answer := given[0]
		given = given[1:]
		return answer, nil
	}, Secret: func(context.Context, string) (string, bool, error) { return "", true, nil }}
	answers, err = a.Questions(ctx, b, checkUser)
	switch {
	case err == nil:
		return Question{}, answers, nil
	case errors.Is(err, errMore):
		return a.now, answers, nil
	case errors.Is(err, ErrGiveUp):
		err = ErrAnswer
	}
	return a.now, answers, err
}

// candidates are the interfaces behind which a household may be.
func (b Box) candidates() []string {
	return names(b.Links, func(l feature.Link) bool { return !l.Port && !l.Default })
}

// Doors are the addresses at which the household can reach a page of this box, by the
// interface that each is on: of the interfaces that are the household's or probably will
// be, and never of one that leads to the internet.
func (b Box) Doors() (doors []Door) {
	homes := b.homes()
	if b.Config != nil {
		homes = b.Config.Household.Interfaces
	}
	for _, l := range b.Links {
		if l.Default || !slices.Contains(homes, l.Name) {
			continue
		}
		for _, p := range l.Addresses {
			if p.Addr().IsPrivate() {
				doors = append(doors, Door{Interface: l.Name, Addr: p.Addr()})
			}
		}
	}
	return doors
}

// Door is one address of the box on one of its interfaces.
type Door struct {
	Interface string
	Addr      netip.Addr
}

// Link is the interface of that name, as a page shows it.
func (b Box) Link(name string) (l feature.Link, wireless bool) {
	l, _ = b.link(name)
	return l, slices.Contains(b.Wireless, name)
}
