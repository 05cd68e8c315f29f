package tor

import (
	"os"
	"testing"
)

const (
	exitA = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	exitB = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
	exitC = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
)

func hops(a, b, c string) string { return "$" + a + "~guard,$" + b + "~middle,$" + c }

// The exit is the last relay of the newest circuit that has the password.
func TestExitIn(t *testing.T) {
	own := ` SOCKS_USERNAME="box" SOCKS_PASSWORD="mine"`
	lines := []string{
		"31 BUILT " + hops(exitA, exitB, exitC) + "~newexit PURPOSE=CONFLUX_LINKED CONFLUX_ID=1" + own,
		"9 BUILT " + hops(exitC, exitB, exitA) + "=oldexit PURPOSE=GENERAL" + own,
		`40 BUILT ` + hops(exitC, exitA, exitB) + `~other PURPOSE=GENERAL SOCKS_USERNAME="box" SOCKS_PASSWORD="theirs"`,
		"41 BUILT " + hops(exitC, exitA, exitB) + "~meeting PURPOSE=HS_CLIENT_REND" + own,
		"42 LAUNCHED PURPOSE=GENERAL" + own,
		`43 "broken`,
		"",
	}
	if print, name, ok := exitIn(lines, "mine"); !ok || print != exitC || name != "newexit" {
		t.Errorf("%q %q %v", print, name, ok)
	}
	if print, name, ok := exitIn(lines[1:2], "mine"); !ok || print != exitA || name != "oldexit" {
		t.Errorf("%q %q %v", print, name, ok)
	}
	if print, name, ok := exitIn(lines, "nobody's"); ok {
		t.Errorf("%q %q", print, name)
	}
}

func TestExitOf(t *testing.T) {
	control := newFakeControl(t, []exchange{
		{"GETINFO circuit-status", "250+circuit-status=\n7 BUILT " + hops(exitA, exitB, exitC) +
			"~door PURPOSE=GENERAL SOCKS_USERNAME=\"box\" SOCKS_PASSWORD=\"mine\"\n.\n250 OK"},
		{"GETINFO ns/id/" + exitC,
			"250+ns/id/" + exitC + "=\nr door aWQ ZGln 2026-11-28 20:00:00 203.0.113.13 9001 0\ns Exit Fast\n.\n250 OK"},
		{"GETINFO ip-to-country/203.0.113.13", "250-ip-to-country/203.0.113.13=DE\n250 OK"},
	})
	commands, err := dialControl(t.Context(), control.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	tor := &Tor{session: &session{commands: commands}}
	want := Exit{Nickname: "door", Fingerprint: exitC, Address: "203.0.113.13", Country: "de"}
	if e, ok := tor.ExitOf("mine"); !ok || e != want {
		t.Errorf("%+v, %v", e, ok)
	}
	if e, ok := new(Tor).ExitOf("mine"); ok {
		t.Errorf("without a tor: %+v", e)
	}
}
