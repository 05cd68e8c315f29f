package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
)

// saidOf is what a verb says where the daemon has one answer to everything.
func saidOf(t *testing.T, status int, answer any, words ...string) (code int, text string) {
	a := answering(t, status, answer)
	writeConfig(t, a.root, "tunic.toml", "[household]\ninterfaces = [\"br-lan\"]\n")
	out := a.out.(*bytes.Buffer)
	code = execute(context.Background(), a, words)
	return code, out.String()
}

// Who is invited is no friend yet, and verbs for friends say how far that is.
func TestNoFriendYet(t *testing.T) {
	list := []api.Peer{{Name: "bob", State: api.PeerInvited, Text: "invited, waiting for bob's box"}}
	for _, words := range [][]string{{"send", "bob", "/etc/hostname"}, {"chat", "bob"}, {"pipe", "bob", "up"}, {"anchor", "bob"}} {
		code, said := saidOf(t, 200, list, words...)
		if code != exitUsage || !strings.Contains(said, "bob is no friend yet: invited, waiting for bob's box\n  `tunic friends` shows") {
			t.Errorf("%q: %d, %q", words, code, said)
		}
		words[1] = "bo"
		if code, said := saidOf(t, 200, list, words...); code != exitUsage || !strings.Contains(said, `no friend is called "bo"`) {
			t.Errorf("%q: %d, %q", words, code, said)
		}
	}
}

// The other box takes an invitation that suggests no name only with one.
func TestWhatAnInvitationSays(t *testing.T) {
	i := api.Invitation{Name: "bob", Word: "tunic:agju"}
	if _, said := saidOf(t, 200, i, "invite", "bob"); !strings.Contains(said, "on their box: tunic accept CODE --as NAME") {
		t.Errorf("without a name: %q", said)
	}
	if _, said := saidOf(t, 200, i, "invite", "bob", "--me", "ann"); !strings.Contains(said, "on their box: tunic accept CODE\n") {
		t.Errorf("with a name: %q", said)
	}
}

// Whoever types an address with its port learns how to write it.
func TestWhyOfAPort(t *testing.T) {
	unknown := api.Problem{Error: "no device is known", Hint: "see", Usage: true}
	if _, said := saidOf(t, 400, unknown, "why", "192.0.2.1:80"); !strings.Contains(said, "tunic why 192.0.2.1 --port 80 --from DEVICE") {
		t.Errorf("%q", said)
	}
}

// What check warns of and what is wrong is for scripts too.
func TestCheckAsJSON(t *testing.T) {
	root := t.TempDir()
	writeConfig(t, root, "tunic.toml", "[household]\ninterfaces = [\"br-lan\"]\n")
	code, out, errs := tunicAt(root, 0, "check", "--json")
	if code != 0 || !strings.Contains(out, `"onions": 0`) || !strings.Contains(out, "br-lan") || strings.Contains(errs, "warning") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	writeConfig(t, root, "tunic.toml", "[househol]\n")
	code, out, errs = tunicAt(root, 0, "check", "--json")
	if code != exitUsage || out != "" || !strings.HasPrefix(errs, `{"error":"`) {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

// To whom the box is shut it does not look as if there were no IRC.
func TestShutIsNotAbsent(t *testing.T) {
	code, said := saidOf(t, 500, api.Problem{Error: "opening the daemon's socket: permission denied"}, "irc", "bans")
	if code != exitFailed || !strings.Contains(said, "permission denied") {
		t.Errorf("%d, %q", code, said)
	}
	if code, said := saidOf(t, 200, api.Status{}, "irc", "bans"); code != exitUsage || !strings.Contains(said, "IRC is not set up") {
		t.Errorf("%d, %q", code, said)
	}
}

// Whoever interrupts the wait for visitors has published all the same, and is told.
func TestInterruptedPublish(t *testing.T) {
	a := answering(t, 200, api.Status{Tor: api.Tor{Bootstrap: 100}, Onions: []api.Onion{{Name: "photos", Ports: []api.Port{{Port: 80}}}}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f, ok := errors.AsType[*failure](a.waitPublished(ctx, "photos"))
	if !ok || f.Error() != "interrupted" || !strings.Contains(f.hint, "photos is published all the same") {
		t.Errorf("%+v, %q", f, a.out)
	}
}

// Words that lead to a verb are none themselves, and that verb is there.
func TestOtherWords(t *testing.T) {
	root := newRoot(&app{env: func(string) string { return "" }})
	for word, means := range otherWords {
		if c, _, err := root.Find([]string{word}); err == nil && c != root {
			t.Errorf("%q is a verb", word)
		}
		if verb, ours := strings.CutPrefix(means, "tunic "); ours {
			if c, _, err := root.Find([]string{verb}); err != nil || c == root {
				t.Errorf("%q leads to no verb", word)
			}
		}
	}
}

// A server at which nobody answers is offered all the same, with a warning.
func TestServiceThatDoesNotAnswer(t *testing.T) {
	words := []string{"service", "add", "printer", "--friend", "bob", "--target", "192.168.1.30:9100"}
	s := api.FriendService{Name: "printer", Target: "192.168.1.30:9100", Friends: []string{"bob"}, Down: "its host is not there"}
	code, said := saidOf(t, 200, s, words...)
	if code != exitDone || !strings.Contains(said, "printer: 192.168.1.30:9100, for bob\n"+
		"warning: 192.168.1.30:9100 does not answer: its host is not there; friends get nothing until it does\n") {
		t.Errorf("%d, %q", code, said)
	}
	s.Down = ""
	if code, said := saidOf(t, 200, s, words...); code != exitDone || strings.Contains(said, "warning") {
		t.Errorf("it answers: %d, %q", code, said)
	}
}

// A code that was pasted in parts, or with its command, arrives whole; two names are too many.
func TestPastedInvitation(t *testing.T) {
	for _, words := range [][]string{{"accept", "tunic:ab", "cd"}, {"accept", "tunic", "accept", "tunic:ab cd"}} {
		var asked api.AcceptRequest
		a := answering(t, 200, api.Peer{Name: "alice"}, &asked)
		if code := execute(context.Background(), a, words); code != exitDone || asked.Word != strings.Join(words[1:], " ") {
			t.Errorf("%q: %d, %+v", words, code, asked)
		}
	}
	for want, words := range map[string][]string{
		"what to do with \"bob\"":    {"accept", "alice", "bob"},
		"this is an invitation, and": {"invite", "tunic:abcd"},
	} {
		if code, said := saidOf(t, 200, api.Peer{}, words...); code != exitUsage || !strings.Contains(said, want) {
			t.Errorf("%q: %d, %q", words, code, said)
		}
	}
}

// Who has installed the package and not set the box up is told so: the unit would be
// started in vain.
func TestNotSetUp(t *testing.T) {
	root := t.TempDir()
	said := func(words ...string) string {
		var out bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &out, env: func(string) string { return "" }, root: root}
		execute(context.Background(), a, append([]string{"--root", root}, words...))
		return out.String()
	}
	for _, words := range [][]string{{"status"}, {"onions"}, {"friends"}, {"doctor"}} {
		if text := said(words...); !strings.Contains(text, notSetUp) || strings.Contains(text, notRunning) {
			t.Errorf("%q: %s", words, text)
		}
	}
	if text := said("check"); !strings.Contains(text, `"tunic setup" asks a few questions and writes it`) {
		t.Errorf("check: %s", text)
	}
	writeConfig(t, root, "tunic.toml", "[household]\ninterfaces = [\"br-lan\"]\n")
	if text := said("status"); !strings.Contains(text, notRunning) || strings.Contains(text, notSetUp) {
		t.Errorf("set up: %s", text)
	}
}

// A test for leaks that did not begin says once why.
func TestNothingToUndo(t *testing.T) {
	a := &app{root: t.TempDir()}
	if undo, err := a.attachProbe(t.Context(), "probe0"); undo != nil || !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("without a daemon: %v, something to undo: %v", err, undo != nil)
	}
}

// Two flags of setup that mean different things are named, in plain words.
func TestSetupTogether(t *testing.T) {
	for _, two := range setupApart {
		var out bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &out, env: func(string) string { return "" }}
		code := execute(t.Context(), a, []string{"setup", "--" + two[0], "--" + two[1]})
		if want := "--" + two[0] + " and --" + two[1] + " do not go together\n  say one of them"; code != exitUsage ||
			!strings.Contains(out.String(), want) {
			t.Errorf("%v: %d, %s", two, code, out.String())
		}
	}
}
