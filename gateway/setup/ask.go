package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Errors that end the questions, with nothing changed.
var (
	ErrEnded  = errors.New("the input ended before the last question")
	ErrGiveUp = errors.New("no answer could be used")
)

// tries is how often a question is asked.
const tries = 3

// Asker asks on a terminal, or of a file with an answer in each line.
type Asker struct {
	Out    io.Writer
	Line   func(context.Context) (string, error)                        // the next line; io.EOF at the end
	Secret func(ctx context.Context, name string) (string, bool, error) // a password, and whether tunic made it
	asked  int
	now    Question // that was asked last
	once   bool     // each question is asked once
}

func (a *Asker) say(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }

// number begins a question with its number.
func (a *Asker) number(q Question, text string) string {
	a.asked++
	q.Number = a.asked
	a.now = q
	return fmt.Sprintf("%d. %s", a.asked, text)
}

// ask asks until take accepts the answer. An empty one is byDefault.
func (a *Asker) ask(ctx context.Context, question, byDefault string, take func(answer string) error) error {
	a.now.Default = list(byDefault)
	for n := 0; n < tries && (n == 0 || !a.once); n++ {
		if byDefault == "" {
			fmt.Fprintf(a.Out, "%s ", question)
		} else {
			fmt.Fprintf(a.Out, "%s [%s] ", question, byDefault)
		}
		line, err := a.Line(ctx)
		if errors.Is(err, io.EOF) {
			err = ErrEnded
		}
		if err != nil {
			fmt.Fprintln(a.Out)
			return err
		}
		answer := strings.TrimSpace(line)
		if answer == "" {
			answer = byDefault
		}
		if err = take(answer); err == nil {
			return nil
		}
		a.say("   %v", err)
	}
	return ErrGiveUp
}

// yes asks for yes or no.
func (a *Asker) yes(ctx context.Context, question string, byDefault bool) (yes bool, err error) {
	word := "no"
	if byDefault {
		word = "yes"
	}
	err = a.ask(ctx, question, word, func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			yes = true
		case "n", "no":
			yes = false
		default:
			return errors.New("yes or no?")
		}
		return nil
	})
	return yes, err
}

// list splits an answer with several words, each of which counts once.
func list(answer string) (words []string) {
	if answer == "none" {
		return nil
	}
	for _, w := range strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

// orNone is a list as an answer would have it.
func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
