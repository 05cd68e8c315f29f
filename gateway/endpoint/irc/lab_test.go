//go:build lab

package irc

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tunic/gateway/managed"
	"tunic/internal/lab/onbox"
)

// The test binary is also what confines.
func TestMain(m *testing.M) {
	onbox.Confine()
	os.Exit(m.Run())
}

// TestParser has the ngIRCd of this machine read the golden file.
func TestParser(t *testing.T) {
	out, err := exec.Command("ngircd", "--configtest", "-f", "testdata/ngircd.conf").CombinedOutput()
	text := strings.ReplaceAll(string(out), "/run/tunic/irc/empty", "") // the directory is made at the start
	if err != nil || !strings.Contains(text, "IncludeDir") || strings.Contains(text, "nknown") || strings.Contains(text, "eprecated") {
		t.Errorf("ngircd --configtest: %v\n%s", err, out)
	}
}

// start runs the ngIRCd of this machine as on a box.
func start(t *testing.T) (addr string) {
	t.Helper()
	place := onbox.NewPlace(t, "tunic-irc")
	s := Settings{Dir: place.Root + "/irc", User: place.User, UID: place.UID, GID: place.GID, Listen: place.Listen,
		Secrets: Secrets{Salt: "salt", Operator: "secret"}, Admins: []string{"ann"}, Channels: []Channel{{"#home", "the kitchen table"}}}
	m := onbox.Manager(t)
	m.Apply([]managed.Spec{s.Spec()})
	t.Logf("ngircd %s", onbox.Ready(t, m, 0).Version)
	return s.Listen.String()
}

// visitor is somebody on IRC (RFC 1459).
type visitor struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func join(t *testing.T, addr, nick string) *visitor {
	t.Helper()
	return joinFrom(t, "127.0.0.1", addr, nick)
}

func joinFrom(t *testing.T, from, addr, nick string) *visitor {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, c, bufio.NewReader(c)}
	fmt.Fprintf(c, "NICK %s\r\nUSER %s 0 * :%s\r\n", nick, nick, nick)
	v.await(" 001 ")
	fmt.Fprint(c, "JOIN #home\r\n")
	v.await(" 366 ")
	return v
}

// await answers pings until a line has that text.
func (v *visitor) await(text string) string {
	v.t.Helper()
	for {
		line, err := v.r.ReadString('\n')
		if err != nil {
			v.t.Fatalf("waiting for %q: %v", text, err)
		}
		if token, ping := strings.CutPrefix(line, "PING "); ping {
			fmt.Fprintf(v, "PONG %s", token)
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

// Two people talk, and an admin becomes an operator.
func TestTalk(t *testing.T) {
	addr := start(t)
	ann, bob := join(t, addr, "ann"), join(t, addr, "bob")
	fmt.Fprint(bob, "PRIVMSG #home :tea is ready\r\n")
	if line := ann.await("tea is ready"); strings.Contains(line, "127.0.0.1") {
		t.Errorf("the address is shown: %s", line)
	}
	password, _ := Secrets{Salt: "salt", Operator: "secret"}.Password("ann")
	fmt.Fprintf(ann, "OPER ann wrong\r\n")
	ann.await(" 464 ")
	fmt.Fprintf(ann, "OPER ann %s\r\n", password)
	ann.await(" 381 ")
}

// abroad puts /etc of another time zone over the machine's, in a mount namespace
// of its own, and runs a test there. The link itself has to change: what it leads
// to may be the file of UTC.
const abroad = `
mount -t tmpfs none "$2"
mkdir "$2/upper" "$2/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$2/upper,workdir=$2/work" none /etc
ln -sf /usr/share/zoneinfo/Asia/Kolkata /etc/localtime
date +%Z
exec "$0" -test.v -test.timeout 2m -test.run "^$1\$"`

// TestTimesAreUTC: on a box in another time zone, nobody on IRC learns of it.
func TestTimesAreUTC(t *testing.T) {
	const mark = "TUNIC_IRC_ZONE"
	if os.Getenv(mark) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-ec", abroad, self, t.Name(), t.TempDir())
		cmd.Env = append(os.Environ(), mark+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil || !strings.HasPrefix(string(out), "IST\n") {
			t.Errorf("in another zone: %v", err)
		}
		return
	}
	addr := start(t)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, c, bufio.NewReader(c)}
	fmt.Fprint(c, "NICK ann\r\nUSER ann 0 * :ann\r\n")
	for _, ask := range []struct{ command, number string }{{"", " 003 "}, {"TIME\r\n", " 391 "}, {"INFO\r\n", "On-line since"}} {
		fmt.Fprint(c, ask.command)
		if line := v.await(ask.number); !strings.Contains(line, "UTC") || strings.Contains(line, "IST") {
			t.Errorf("the zone is told: %s", line)
		}
	}
}

// TestBan: whoever comes from a banned circuit is out at once, also one who hides
// and says nothing; others stay, and the circuit does not come back.
func TestBan(t *testing.T) {
	addr := start(t)
	const circuit = "127.128.18.103"
	idle, hidden, bob := joinFrom(t, circuit, addr, "idle"), joinFrom(t, circuit, addr, "hidden"),
		joinFrom(t, "127.128.18.104", addr, "bob")
	fmt.Fprint(hidden, "PART #home\r\nMODE hidden +i\r\n")
	hidden.await(" MODE hidden ")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := LogIn(conn, "tunic1", Secrets{Salt: "salt", Operator: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	cloak, err := s.CloakOf(circuit)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ban(cloak, time.Hour, "sleep well"); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*visitor{idle, hidden} {
		if line := v.await("ERROR "); !strings.Contains(line, "sleep well") {
			t.Errorf("the last words are %q", line)
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("they were there for %s more", took)
	}
	fmt.Fprint(bob, "PING :here\r\n")
	bob.await(" PONG ")
	again, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(circuit)}}).Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, again, bufio.NewReader(again)}
	fmt.Fprint(again, "NICK idle2\r\nUSER idle2 0 * :idle2\r\n")
	v.await("ERROR ")
}
