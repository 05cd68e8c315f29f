package relaytime

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestAgree(t *testing.T) {
	built := told.AddDate(0, -6, 0)
	start := told.Add(-time.Hour)
	say := func(offsets ...time.Duration) (list []Answer) {
		for _, o := range offsets {
			list = append(list, Answer{Start: start.Add(o), Error: time.Second})
		}
		return list
	}
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		answers []Answer
		asked   int
		want    time.Duration
		count   int // 0: no agreement
	}{
		"all":                       {say(0, 1, 2), 3, 1, 3},
		"most":                      {say(0, 1, day), 3, 1, 2},
		"most of those that lie":    {say(-day, -day, 0, 0, 0), 5, 0, 3},
		"half is not most":          {say(0, 0), 4, 0, 0},
		"few answer":                {say(0), 3, 0, 0},
		"each says another time":    {say(0, time.Minute, time.Hour), 3, 0, 0},
		"one that was asked alone":  {say(0), 1, 0, 1},
		"nobody was asked":          {nil, 0, 0, 0},
		"before it was built":       {say(-365*day, -365*day, -365*day), 3, 0, 0},
		"long after it was built":   {say(31*365*day, 31*365*day), 3, 0, 0},
		"a chain is no agreement":   {say(0, 9*time.Second, 18*time.Second), 3, 9 * time.Second, 2},
		"two groups, one is larger": {say(0, 0, day, day, day), 5, day, 3},
	} {
		got, err := Agree(c.answers, c.asked, built, time.Hour)
		if c.count == 0 {
			var no *DisagreeError
			if !errors.As(err, &no) || no.Asked != c.asked || no.Error() == "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if err != nil || got.Count != c.count || got.Asked != c.asked || !got.Start.Equal(start.Add(c.want)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseAuthorities(t *testing.T) {
	got, err := parseAuthorities("# a comment\nTestingTorNetwork 1\n" +
		"dirauthority auth1 orport=9001 v3ident=EB37 ipv6=[2001:db8::1]:9001 203.0.113.1:9030 5D82 51FD CA06 3A3B 3924 1C14 F127 1F60 " +
		"A4E6 DBE3\n")
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	r := got[0]
	if r.Name != "auth1" || len(r.Addrs) != 2 || r.Addrs[0].String() != "203.0.113.1:9001" || r.Addrs[1].String() != "[2001:db8::1]:9001" ||
		r.ID[0] != 0x5d {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{
		"DirAuthority a 203.0.113.1:9030 5D8251FDCA063A3B39241C14F1271F60A4E6DBE3", // no ORPort
		"DirAuthority a orport=1 203.0.113.1:9030 5D82",
		"DirAuthority a orport=1",
		"DirAuthority a orport=1 ipv6=x 203.0.113.1:9030 5D8251FDCA063A3B39241C14F1271F60A4E6DBE3",
	} {
		if got, err := parseAuthorities(bad); err == nil {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}

// The list is that of the tor on this machine: a newer one may know better.
func TestAuthoritiesAreTors(t *testing.T) {
	list := Authorities()
	if len(list) != 9 {
		t.Errorf("%d authorities", len(list))
	}
	path, err := exec.LookPath("tor")
	if err != nil {
		t.Skip("no tor is installed")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(program)
	for line := range strings.Lines(strings.TrimSpace(authorities)) {
		words := strings.Fields(line)
		start := strings.Index(text, words[1]+" orport=")
		if start < 0 {
			t.Errorf("tor knows no %s", words[1])
			continue
		}
		end := start
		for end < len(text) && text[end] != 0 && text[end] != '"' {
			end++
		}
		theirs := "DirAuthority " + text[start:end]
		for next := end + 1; next < len(text) && text[next] != 0 && !strings.Contains(theirs, ":80 ") &&
			!strings.Contains(theirs, ":443 ") && !strings.Contains(theirs, ":9231 "); next++ {
			theirs += string(text[next])
		}
		got, err := parseAuthorities(theirs)
		want, _ := parseAuthorities(line)
		if err != nil || len(got) != 1 || got[0].ID != want[0].ID || got[0].Addrs[0] != want[0].Addrs[0] {
			t.Errorf("tor has %q (%v), we %q", theirs, err, line)
		}
	}
}
