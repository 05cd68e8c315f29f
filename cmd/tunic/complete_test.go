package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
)

// complete is what a shell proposes after words of which the last is not finished.
func complete(a *app, line ...string) []string {
	out := a.out.(*bytes.Buffer)
	out.Reset()
	execute(context.Background(), a, append([]string{"__complete"}, line...))
	a.out, a.err = out, &bytes.Buffer{}
	var list []string
	for _, w := range strings.Fields(out.String()) {
		w, _, _ = strings.Cut(w, "\t")
		list = append(list, w)
	}
	return list
}

func TestCompletionOfNames(t *testing.T) {
	devices := []api.Device{{Name: "tv"}, {Name: "tablet"}, {Name: "phone"}, {Name: "t\x1b[2J"}, {MAC: "02:00:00:00:00:01"}}
	for _, x := range []struct {
		answer any
		line   []string
		want   []string
	}{
		{devices, []string{"device", "t"}, []string{"tv", "tablet"}},
		{devices, []string{"portal", "0"}, []string{"02:00:00:00:00:01"}},
		{devices, []string{"device", "tv", ""}, nil},
		{devices, []string{"device", "tv", "--policy", "d"}, []string{"direct"}},
		{devices, []string{"why", "--from", "p"}, []string{"phone"}},
		{api.Status{Onions: []api.Onion{{Name: "home"}, {Name: "photos"}}}, []string{"unpublish", ""}, []string{"home", "photos"}},
		{api.Status{Onions: []api.Onion{{Name: "home"}, {Name: "photos"}}}, []string{"onion", "address", "p"}, []string{"photos"}},
		{api.Status{Onions: []api.Onion{{Name: "home"}, {Name: "photos"}}}, []string{"onions", "home", "p"}, []string{"photos"}},
		{api.Status{Servers: []api.Server{{Name: "dovecot"}}}, []string{"logs", ""}, []string{"dovecot"}},
		{[]api.Peer{{Name: "alice"}, {Name: "bob"}}, []string{"grant", "photos", ""}, []string{"alice", "bob"}},
		{[]api.Peer{{Name: "alice"}, {Name: "bob"}}, []string{"friend", "forget", "b"}, []string{"bob"}},
		{[]api.User{{Name: "ann"}}, []string{"user", "role", ""}, []string{"ann"}},
		{nil, []string{"user", "role", "ann", "m"}, []string{"member"}},
		{nil, []string{"publish", "--as", "jelly"}, []string{"jellyfin"}},
		{nil, []string{"explain", "tor-t"}, []string{"tor-twice"}},
	} {
		got := complete(answering(t, 200, x.answer), x.line...)
		if i := slices.IndexFunc(got, func(w string) bool { return strings.HasPrefix(w, ":") }); i < 0 || !slices.Equal(got[:i], x.want) {
			t.Errorf("tunic %q: %q, want %q", x.line, got, x.want)
		} else if got[i] != ":4" { // ShellCompDirectiveNoFileComp
			t.Errorf("tunic %q proposes files: %q", x.line, got[i])
		}
	}
}

func TestCompletionWithoutADaemon(t *testing.T) {
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: func(string) string { return "" }, root: t.TempDir()}
	if got := complete(a, "device", ""); len(got) == 0 || got[0] != ":4" {
		t.Errorf("%q", got)
	}
	if got := complete(a, "restore", ""); len(got) == 0 || got[0] != ":0" { // files
		t.Errorf("%q", got)
	}
}

// Each verb whose words are completed is one, or somebody has renamed it.
func TestCompletedVerbsExist(t *testing.T) {
	root := newRoot(&app{env: func(string) string { return "" }})
	for name := range completed {
		c, _, err := root.Find(strings.Fields(name))
		if err != nil || c.CommandPath() != "tunic "+name {
			t.Errorf("there is no verb %q: %v", name, err)
		}
	}
}

// Scripts that ask for JSON get errors as JSON too, with the exit status.
func TestErrorsAsJSON(t *testing.T) {
	a := answering(t, 500, api.Problem{Error: "the disk \x1b[2Jis full", Hint: "make room"})
	errs := &bytes.Buffer{}
	a.err = errs
	code := execute(context.Background(), a, []string{"devices", "--json"})
	var got struct {
		Error, Hint string
		Exit        int
	}
	if err := json.Unmarshal(errs.Bytes(), &got); err != nil || got.Exit != code || code != exitFailed || got.Hint != "make room" ||
		!strings.HasSuffix(got.Error, "is full") {
		t.Errorf("%d, %+v, %v, of %q", code, got, err, errs)
	}
	if strings.Contains(errs.String(), "\x1b") {
		t.Errorf("it orders the terminal: %q", errs)
	}
	errs.Reset()
	if execute(context.Background(), a, []string{"devices"}); json.Valid(errs.Bytes()) {
		t.Errorf("nobody asked for JSON: %q", errs)
	}
}

// The list of exit statuses has each that there is.
func TestExitStatuses(t *testing.T) {
	for _, code := range []string{"\n  0 ", "\n  1 ", "\n  2 ", "\n  3 ", "\n  78 "} {
		if !strings.Contains(exitWords, code) {
			t.Errorf("status%q is not explained", code)
		}
	}
}
