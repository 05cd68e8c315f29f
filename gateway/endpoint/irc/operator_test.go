package irc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// server answers lines as ngIRCd 26 does, and keeps what it was told.
func server(t *testing.T, answers map[string][]string) (net.Conn, chan string) {
	t.Helper()
	client, far := net.Pipe()
	t.Cleanup(func() { client.Close() })
	told, out := make(chan string, 100), make(chan string, 100)
	go func() { // a pipe has no room for lines that nobody reads yet
		for line := range out {
			fmt.Fprintf(far, "%s\r\n", line)
		}
	}()
	go func() {
		defer far.Close()
		defer close(out)
		for in := bufio.NewScanner(far); in.Scan(); {
			line := in.Text()
			told <- line
			for begin, lines := range answers {
				if strings.HasPrefix(line, begin) {
					for _, l := range lines {
						out <- l
					}
				}
			}
		}
	}()
	return client, told
}

var usual = map[string][]string{
	"USER ":             {"PING :123"},
	"PONG ":             {":irc.home.arpa 001 op :Welcome", ":irc.home.arpa 376 op :End of MOTD command"},
	"OPER tunic secret": {":irc.home.arpa MODE op :+o", ":irc.home.arpa 381 op :You are now an IRC Operator"},
	"OPER tunic wrong":  {":irc.home.arpa 464 op :Password incorrect"},
	"WHOIS bob": {":irc.home.arpa 311 op bob bob u.f0ee88a3 * :bob",
		":irc.home.arpa 378 op bob :is connecting from *@127.128.18.103 127.128.18.103",
		":irc.home.arpa 318 op bob :End of WHOIS list"},
	"WHOIS eve": {":irc.home.arpa 401 op eve :No such nick or channel name", ":irc.home.arpa 318 op eve :End of WHOIS list"},
	"WHOIS ann": {":irc.home.arpa 318 op ann :End of WHOIS list"},
	"STATS L": {":irc.home.arpa 211 op bob!bob@u.f0ee88a3 0 20 1603 4 64 :2", ":irc.home.arpa 211 op bob2!b@u.f0ee88a3 0 20 1603 4 64 :2",
		":irc.home.arpa 211 op eve!e@u.00000000 0 20 1603 4 64 :2", ":irc.home.arpa 211 op op!op@u.128835c1 0 20 1603 4 64 :2",
		":irc.home.arpa 219 op L :End of STATS report"},
	"STATS k":       {":irc.home.arpa 216 op K *!*@u.f0ee88a3 * * :x", ":irc.home.arpa 219 op k :End of STATS report"},
	"PING ":         {":irc.home.arpa PONG irc.home.arpa :tunic-done"},
	"KLINE *!*@u.1": {":irc.home.arpa 481 op :Permission denied"},
}

func TestOperator(t *testing.T) {
	conn, told := server(t, usual)
	s, err := LogIn(conn, "op", Secrets{Operator: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for _, cloak := range []func() (string, error){
		func() (string, error) { return s.Cloak("BOB") }, func() (string, error) { return s.CloakOf("127.128.18.103") }} {
		if c, err := cloak(); err != nil || c != "u.f0ee88a3" {
			t.Errorf("bob's cloak is %q, %v", c, err)
		}
	}
	for nick, want := range map[string]error{"op": ErrOwn, "nobody": ErrNobody} {
		if _, err := s.Cloak(nick); !errors.Is(err, want) {
			t.Errorf("%s: %v", nick, err)
		}
	}
	if _, err := s.CloakOf("127.1.1.1"); !errors.Is(err, ErrNobody) {
		t.Errorf("an address without anybody: %v", err)
	}
	if list, err := s.Bans(); err != nil || !slices.Equal(list, []string{"u.f0ee88a3"}) {
		t.Errorf("bans: %q, %v", list, err)
	}
	if err := s.Ban("u.f0ee88a3", time.Hour, "sleep well"); err != nil {
		t.Error(err)
	}
	if err := s.Ban("u.1", time.Hour, "x"); !errors.Is(err, ErrRefused) {
		t.Errorf("a ban that the server refuses: %v", err)
	}
	conn.Close()
	close(told)
	var all []string
	for line := range told {
		all = append(all, line)
	}
	for _, want := range []string{"PONG :123", "KLINE *!*@u.f0ee88a3 3600 :sleep well", "KILL bob :sleep well", "KILL bob2 :sleep well"} {
		if !slices.Contains(all, want) {
			t.Errorf("it was not told %q: %q", want, all)
		}
	}
	if slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, "KILL eve") || line == "WHOIS bob2" }) {
		t.Errorf("it was told too much: %q", all)
	}
}

func TestWrongOperator(t *testing.T) {
	conn, _ := server(t, usual)
	if _, err := LogIn(conn, "op", Secrets{Operator: "wrong"}); !errors.Is(err, errNoSecret) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("another password: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{"", ":", ":x", "PING :1", ":irc 378 op bob :is connecting", "A B C :D E", " : "} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m := parse(line)
		if strings.ContainsAny(m.command, " \r\n") && !strings.ContainsAny(line, "\r\n") {
			t.Errorf("%q has the command %q", line, m.command)
		}
	})
}
