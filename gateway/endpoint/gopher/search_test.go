package gopher

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSearch(t *testing.T) {
	s := newServer(t, map[string]string{
		"Apple pie.txt":    "flour and butter\n",
		"recipes/soup.txt": "Onion, BUTTER, salt\n",
		"recipes/onion/":   "",
		"recipes/list":     "butter\n",
		"butter.jpg":       "onion",
		"data.bin":         "onion butter",
		"large.txt":        "onion" + strings.Repeat(" ", maxSearchFile),
		"link.txt":         "-> recipes/soup.txt",
		".hidden.txt":      "onion",
		".git/onion.txt":   "onion",
		"gophermap":        "onion\n",
	})
	soup := item("0", "recipes/soup.txt", "/recipes/soup.txt")
	none := item("i", "Nothing was found.", "")
	tests := []struct{ name, words, want string }{
		{"in a name", "apple", item("0", "Apple pie.txt", "/Apple pie.txt")},
		{"in a text, any case", "BuTTer salt", soup},
		{"names and texts", "onion", item("1", "recipes/onion", "/recipes/onion") + soup},
		{"one word in the name, one in the text", "soup onion", soup},
		{"all kinds by name", "butter jpg", item("I", "butter.jpg", "/butter.jpg")},
		{"all words are needed", "apple onion", none},
		{"same word again", "apple apple", item("0", "Apple pie.txt", "/Apple pie.txt")},
		{"Gopher+", "apple\t+", item("0", "Apple pie.txt", "/Apple pie.txt")},
		{"text without extension", "list butter", item("0", "recipes/list", "/recipes/list")},
		{"nothing", "xyzzy", none},
		{"no pattern", ".*", none},
		{"no words", " ", item("3", "name the words to search for", "")},
		{"Gopher+ without words", "+", item("3", "name the words to search for", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, s, friend, "/search\t"+tt.words+"\r\n"); got != tt.want+".\r\n" {
				t.Errorf("search for %q:\n%q\nwant\n%q", tt.words, got, tt.want)
			}
		})
	}
}

func TestSearchIsBounded(t *testing.T) {
	files := make(map[string]string)
	for i := range maxResults + 50 {
		files[fmt.Sprintf("many/note%04d.txt", i)] = ""
	}
	s := newServer(t, files)
	got := ask(t, s, friend, "/search\tnote\r\n")
	if n := strings.Count(got, "\r\n0note") + strings.Count(got, "0many/note"); n != maxResults {
		t.Errorf("%d results, want %d", n, maxResults)
	}
	if !strings.HasSuffix(got, item("i", "The search ended before everything was looked at.", "")+".\r\n") {
		t.Errorf("the answer does not say that there is more: %q", got[max(0, len(got)-200):])
	}
}

func TestSearchesWaitForEachOther(t *testing.T) {
	s := newServer(t, map[string]string{"a.txt": "a"})
	for range maxSearches {
		s.searches <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var b strings.Builder
	m := newMenu(&b, friend)
	if err := s.search(ctx, "a", m); err != nil {
		t.Fatal(err)
	}
	m.w.Flush()
	if want := item("3", "too many searches at this time, try again later", "") + ".\r\n"; b.String() != want {
		t.Errorf("answer %q, want %q", b.String(), want)
	}
	<-s.searches
	if got := ask(t, s, friend, "/search\ta\r\n"); !strings.Contains(got, "/a.txt") {
		t.Errorf("a search after another one ended: %q", got)
	}
}

// stuck takes nothing until it is let go: a visitor who does not read.
type stuck struct{ writes, let chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	s.writes <- struct{}{}
	<-s.let
	return len(b), nil
}

// Visitors who do not read their answers stop nobody's search.
func TestSlowReadersStopNoSearch(t *testing.T) {
	files := make(map[string]string)
	for i := range maxResults {
		files[fmt.Sprintf("many/%s%04d.txt", strings.Repeat("note", 40), i)] = "" // more than a buffer of answer
	}
	s := newServer(t, files)
	slow := stuck{make(chan struct{}, 1000), make(chan struct{})}
	var all sync.WaitGroup
	for range maxSearches {
		all.Go(func() { s.search(t.Context(), "note", newMenu(slow, friend)) })
		<-slow.writes
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var b strings.Builder
	m := newMenu(&b, friend)
	if err := s.search(ctx, "note", m); err != nil {
		t.Fatal(err)
	}
	m.w.Flush()
	if !strings.Contains(b.String(), "0many/note") && !strings.Contains(b.String(), "note0000") {
		t.Errorf("the third search: %.200q", b.String())
	}
	close(slow.let)
	all.Wait()
}

func TestOwnSearchFile(t *testing.T) {
	s := newServer(t, map[string]string{"search/x.txt": "x"})
	if got, want := ask(t, s, friend, "\r\n"), item("1", "search", "/search")+".\r\n"; got != want {
		t.Errorf("menu %q, want %q", got, want)
	}
	if got, want := ask(t, s, friend, "/search\r\n"), item("0", "x.txt", "/search/x.txt")+".\r\n"; got != want {
		t.Errorf("directory %q, want %q", got, want)
	}
}
