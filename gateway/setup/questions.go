package setup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// Questions asks what setup has to know, five questions at the most. Nothing is
// changed by it. The errors are those of the input, ErrEnded and ErrGiveUp.
func (a *Asker) Questions(ctx context.Context, b Box, checkUser func(name string) error) (answers Answers, err error) {
	a.say("This box has:")
	for _, line := range b.Words() {
		a.say("  %s", line)
	}
	a.say("")
	for _, ask := range []func(context.Context, Box, *Answers) error{a.household, a.others, a.inbound, a.servers} {
		if err := ask(ctx, b, &answers); err != nil {
			return answers, err
		}
	}
	if len(b.Users) == 0 && (answers.Mail || answers.Chat) {
		err = a.user(ctx, &answers, checkUser)
	}
	return answers, err
}

// beside is the answer of a box that has its household and the internet on one cable.
const beside = "beside"

func (a *Asker) household(ctx context.Context, b Box, answers *Answers) error {
	homes, uplinks := b.homes(), b.uplinks()
	oneArm := len(homes) == 0 && len(uplinks) == 1
	if b.Config != nil {
		homes = slices.DeleteFunc(slices.Clone(b.Config.Household.Interfaces), func(name string) bool { _, ok := b.link(name); return !ok })
		oneArm = b.Config.Household.OneArm
	}
	if oneArm && len(uplinks) == 1 {
		return a.oneArm(ctx, uplinks[0], answers)
	}
	question := "Which interfaces lead to the devices of your household?\n   (names with a space between them"
	if len(uplinks) == 1 {
		question += "; " + beside + ": this box stands beside the router, with one cable"
	}
	byDefault := orNone(homes)
	q := Question{Topic: AskHousehold, Options: b.candidates()}
	return a.ask(ctx, a.number(q, question+")"), byDefault, func(answer string) error {
		if answer == beside && len(uplinks) == 1 {
			answers.Household, answers.OneArm = uplinks, true
			return nil
		}
		names := list(answer)
		if len(names) == 0 {
			return errors.New("at least one is needed: the household is what tunic protects")
		}
		answers.Household, answers.OneArm = names, false
		return check(b, names, func(l feature.Link) error {
			if l.Default {
				return fmt.Errorf("%s leads to the internet: nobody of the household is behind it", l.Name)
			}
			return nil
		})
	})
}

// oneArm asks of a box with one way to everything.
func (a *Asker) oneArm(ctx context.Context, uplink string, answers *Answers) error {
	yes, err := a.yes(ctx, a.number(Question{Topic: AskBeside, Options: yesNo}, "This box has one cable, "+uplink+
		". Does it stand beside your router, with your devices on the same network?"), true)
	if err != nil {
		return err
	}
	if !yes {
		return errors.New("a box that is the router needs a second interface with an address of its own for the household\n" +
			"give it one (a USB adapter, or Wi-Fi: `tunic setup --access-point`) and run `tunic setup` again")
	}
	answers.Household, answers.OneArm = []string{uplink}, true
	return nil
}

// check finds each name among the box's interfaces.
func check(b Box, names []string, more func(feature.Link) error) error {
	for _, name := range names {
		l, ok := b.link(name)
		switch {
		case !ok:
			return fmt.Errorf("there is no interface %q; there is: %s", name, strings.Join(b.all(), " "))
		case l.Port:
			return fmt.Errorf("%s is a port of a bridge: name the bridge", name)
		}
		if err := more(l); err != nil {
			return err
		}
	}
	return nil
}

func (b Box) all() []string { return names(b.Links, func(l feature.Link) bool { return !l.Port }) }

func (a *Asker) others(ctx context.Context, b Box, answers *Answers) error {
	found := b.others(answers.Household)
	if len(found) == 0 {
		return nil
	}
	byDefault := slices.DeleteFunc(slices.Clone(found), func(name string) bool { return !machines(name) })
	if b.Config != nil {
		byDefault = slices.DeleteFunc(slices.Clone(b.Config.Gateway.OtherNetworks), func(name string) bool {
			return !slices.Contains(found, name)
		})
	}
	question := fmt.Sprintf("Which of these other networks may reach the internet outside Tor, as today: %s?\n"+
		"   (none: nothing of them passes)", strings.Join(found, " "))
	q := Question{Topic: AskOthers, Options: found}
	return a.ask(ctx, a.number(q, question), orNone(byDefault), func(answer string) error {
		answers.Others = list(answer)
		return check(b, answers.Others, func(l feature.Link) error {
			if !slices.Contains(found, l.Name) {
				return fmt.Errorf("%s is none of these: %s", l.Name, strings.Join(found, " "))
			}
			return nil
		})
	})
}

// outside are the ports of the box to which somebody is connected now from where
// nothing new is let in, and who that is.
func (b Box) outside(answers Answers) (ports []uint16, who netip.Addr) {
	named := append(slices.Clone(answers.Household), answers.Others...)
	for _, v := range b.Visits {
		near := v.From.IsLoopback() || v.From.IsLinkLocalUnicast() || slices.ContainsFunc(b.Links, func(l feature.Link) bool {
			return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool {
				return p.Addr() == v.From || slices.Contains(named, l.Name) && p.Contains(v.From)
			})
		})
		if !near && !slices.Contains(ports, v.Port) {
			ports, who = append(ports, v.Port), v.From
		}
	}
	slices.Sort(ports)
	return ports, who
}

func (a *Asker) inbound(ctx context.Context, b Box, answers *Answers) error {
	before := []string{}
	if b.Config != nil {
		before = b.Config.Gateway.Inbounds()
	}
	answers.Inbound = before
	ports, who := b.outside(*answers)
	question, wanted := "May ssh be reached from the internet side too?", b.SSH
	if len(wanted) == 0 {
		wanted = []uint16{22}
	}
	if len(ports) > 0 {
		wanted = ports
		question = fmt.Sprintf("%s is connected to this box from outside the household now (%s): may that be so later too?\n"+
			"   (no: from the next time on they are shut out)", who, strings.Join(tcp(ports), " "))
	} else if len(b.SSH) == 0 || answers.OneArm {
		return nil // nobody there serves, or everybody is at home
	}
	missing := slices.DeleteFunc(tcp(wanted), func(p string) bool { return slices.Contains(before, p) })
	q := Question{Topic: AskInbound, Options: yesNo, Ports: tcp(wanted), Who: who}
	yes, err := a.yes(ctx, a.number(q, question), len(ports) > 0 || len(missing) == 0)
	switch {
	case err != nil:
		return err
	case yes:
		answers.Inbound = append(before, missing...)
	default:
		answers.Inbound = slices.DeleteFunc(before, func(p string) bool { return slices.Contains(tcp(wanted), p) })
	}
	return nil
}

func tcp(ports []uint16) (list []string) {
	for _, p := range ports {
		list = append(list, config.TCP(p))
	}
	return list
}

func (a *Asker) servers(ctx context.Context, b Box, answers *Answers) error {
	byDefault := "none"
	switch {
	case b.Mail && b.Chat:
		byDefault = "both"
	case b.Mail:
		byDefault = "mail"
	case b.Chat:
		byDefault = "chat"
	}
	words := []string{"mail", "chat", "both", "none"}
	text := a.number(Question{Topic: AskServers, Options: words}, "Mail and chat among your household and with friends' boxes?\n"+
		"   (mail, chat, both, none)")
	return a.ask(ctx, text, byDefault,
		func(answer string) error {
			answers.Mail, answers.Chat = answer == "mail" || answer == "both", answer == "chat" || answer == "both"
			switch {
			case !slices.Contains(words, answer):
				return errors.New("mail, chat, both or none?")
			case b.Mail && !answers.Mail || b.Chat && !answers.Chat:
				return fmt.Errorf("this box has %s already; to end one, remove its file in endpoints/ and run `tunic reload`", byDefault)
			}
			return nil
		})
}

func (a *Asker) user(ctx context.Context, answers *Answers, checkUser func(string) error) error {
	question := a.number(Question{Topic: AskUser}, "The name of the first user, who is an admin?\n"+
		"   (none: later, by `tunic user add NAME`)")
	err := a.ask(ctx, question, "none", func(answer string) error {
		if answers.User = answer; answer == "none" {
			answers.User = ""
			return nil
		}
		return checkUser(answer)
	})
	if err != nil || answers.User == "" {
		return err
	}
	answers.Password, answers.Made, err = a.Secret(ctx, answers.User)
	return err
}
