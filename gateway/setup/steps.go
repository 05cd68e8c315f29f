package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Packages are those of Debian that a box with these answers needs.
func (a Answers) Packages() []string {
	list := []string{"tor", "iptables"}
	if a.Mail {
		list = append(list, "dovecot-imapd")
	}
	if a.Chat {
		list = append(list, "prosody", "prosody-modules", "ngircd")
	}
	return list
}

// Endpoints are the protocols that get a file now.
func (a Answers) Endpoints(b Box) (names []string) {
	if a.Mail && !b.Mail {
		names = append(names, "smtp")
	}
	if a.Chat && !b.Chat {
		names = append(names, "xmpp", "irc")
	}
	return names
}

// Steps say what a plan does, in the order in which it happens.
func Steps(b Box, a Answers, p Plan, missing []string) (lines []string) {
	if len(missing) > 0 {
		lines = append(lines, "Debian's packages are installed, and none of their servers starts by itself: "+strings.Join(missing, " "))
	}
	for _, f := range p.Files {
		switch {
		case f.Text == nil:
		case filepath.Base(f.Path) == "tunic.toml":
			lines = append(lines, f.Path+" is written, with\n"+strings.Join(a.lines(b), "\n"))
		case strings.Contains(filepath.Base(f.Path), "tunic.toml.before-"):
			lines = append(lines, "the present configuration is kept as "+f.Path)
		default:
			lines = append(lines, f.Path+" is made")
		}
	}
	if a.User != "" {
		lines = append(lines, a.User+" gets an account for mail and chat")
	}
	if len(p.Stop) > 0 {
		lines = append(lines, "Debian's own tor ends, which nobody has configured: tunic runs another")
	}
	return append(lines, a.consequence())
}

// lines are the settings that have another value than the default or the present.
func (a Answers) lines(b Box) (lines []string) {
	for _, s := range a.Settings() {
		list, _ := s.Value.([]string)
		if len(list) > 0 || s.Value == true || strings.Contains(b.Text, "\n"+s.Key+" =") {
			lines = append(lines, "["+s.Table+"] "+s.TOML())
		}
	}
	return lines
}

func (a Answers) consequence() string {
	home := strings.Join(a.Household, " and ")
	text := "tunic starts. Devices behind " + home + " then reach the internet through Tor or not at all,\nand so does the box itself"
	if a.OneArm {
		text = "tunic starts. Devices that have this box as their gateway then reach the internet through Tor\nor not at all, " +
			"and so does the box itself"
	}
	if len(a.Others) > 0 {
		text += "; outside Tor: " + strings.Join(a.Others, " ")
	}
	if a.OneArm {
		return text
	}
	if len(a.Inbound) > 0 {
		return text + ".\nFrom outside the household new connections reach only " + strings.Join(a.Inbound, " ")
	}
	return text + ".\nFrom outside the household nothing new reaches the box"
}

// Agree asks for the last yes; details prints them and asks again.
func (a *Asker) Agree(ctx context.Context, question string, details []string) (yes bool, err error) {
	for {
		more := false
		err := a.ask(ctx, question, "no", func(answer string) error {
			answer = strings.ToLower(answer) // many keyboards begin a line so
			more, yes = answer == "details", answer == "yes"
			if !slices.Contains([]string{"yes", "no", "details"}, answer) {
				return errors.New("yes, no or details?")
			}
			return nil
		})
		if err != nil || !more {
			return yes, err
		}
		for _, line := range details {
			a.say("%s", line)
		}
	}
}

// maxEmpty is how many empty lines Yes takes for an impatient finger on Enter.
const maxEmpty = 100

// ErrInputEnded is returned where nobody can type a yes any more.
var ErrInputEnded = errors.New("the input ended before it was confirmed")

// Yes waits for a typed yes. The end of the input and a no are errors. Empty lines
// are no answers: somebody has typed them while Tor connected.
func (a *Asker) Yes(ctx context.Context) error {
	for tried, empty := 0, 0; tried < tries && empty < maxEmpty; {
		fmt.Fprint(a.Out, "yes or no? ")
		line, err := a.Line(ctx)
		if errors.Is(err, io.EOF) {
			err = ErrInputEnded
		}
		if err != nil {
			return err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "yes":
			return nil
		case "no":
			return errors.New("it was not confirmed")
		case "":
			empty++
		default:
			tried++
		}
	}
	return errors.New("it was not confirmed")
}
