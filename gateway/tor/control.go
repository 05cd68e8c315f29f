package tor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cretz/bine/control"
	"golang.org/x/sys/unix"
)

// commandWait is the longest that tor may take over one command. It answers in
// milliseconds, but on a small router it may be busy with a new consensus.
const commandWait = 60 * time.Second

// commandsAtOnce is how many short commands are sent before their answers are read.
const commandsAtOnce = 256

// controller is one authenticated control connection. bine deadlocks with two
// commands at once and knows no deadline, so both are done here. A connection
// on which a command got no answer in time is closed: the answer, if it came
// later, would be taken for the next command's.
type controller struct {
	raw   net.Conn
	conn  *control.Conn
	wait  time.Duration
	pause *pausing // between events

	mu sync.Mutex // held for the whole of a command
}

// RefusedError is tor's refusal of a command (control-spec, "Replies").
type RefusedError struct {
	Code int    // 512, 513, 551, 552, 553, ...
	Text string // tor's words
}

func (e *RefusedError) Error() string { return fmt.Sprintf("tor refused (%d): %s", e.Code, e.Text) }

// dialControl connects to the control socket of the process pid and
// authenticates with its cookie, which is in that file. It refuses a socket that another
// process, such as the tor of a daemon that was killed, listens on.
func dialControl(ctx context.Context, socket, cookie string, pid int) (*controller, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to tor's control socket: %w", err)
	}
	c := newController(raw)
	err = checkPeer(raw, pid)
	if err == nil {
		err = c.authenticate(cookie)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func newController(raw net.Conn) *controller {
	p := newPausing(raw)
	return &controller{raw: raw, conn: control.NewConn(textproto.NewConn(&shortReplies{Conn: p})), wait: commandWait, pause: p}
}

func checkPeer(conn net.Conn, pid int) error {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("checking the control socket's owner: it is no unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return fmt.Errorf("checking the control socket's owner: %w", err)
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, peerErr); err != nil {
		return fmt.Errorf("checking the control socket's owner: %w", err)
	}
	if int(peer.Pid) != pid {
		return fmt.Errorf("checking the control socket's owner: it is process %d, not the tor that was started (%d)", peer.Pid, pid)
	}
	return nil
}

// command sends one line and returns the lines of the answer, without their
// codes. A refusal is a *RefusedError; after any other error the connection is
// closed.
func (c *controller) command(line string) ([]string, error) {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("sending a command to tor: it holds a control character")
	}
	return c.send(line)
}

// commandAll sends lines together, and calls refused with each that tor refuses. Tor
// looks at its control connections once for all else that it does: when it is
// busy, commands that wait for each other's answers take seconds.
func (c *controller) commandAll(lines []string, refused func(line string, err *RefusedError)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for part := range slices.Chunk(lines, commandsAtOnce) {
		if err := c.sendAll(part, refused); err != nil {
			c.close()
			return fmt.Errorf("waiting for tor's answers: %w", err)
		}
	}
	return nil
}

func (c *controller) sendAll(lines []string, refused func(line string, err *RefusedError)) error {
	if err := c.raw.SetDeadline(time.Now().Add(c.wait)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.raw, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		return err
	}
	for _, line := range lines {
		resp, err := c.conn.ReadResponse()
		if err != nil {
			return err
		}
		if !resp.IsOk() {
			refused(line, &RefusedError{Code: resp.Err.Code, Text: plain(resp.Err.Msg)})
		}
	}
	return c.raw.SetDeadline(time.Time{})
}

// loadConf replaces tor's whole configuration by text (control-spec,
// "LOADCONF"), as if it had been started with it.
func (c *controller) loadConf(text string) error {
	var b strings.Builder
	b.WriteString("+LOADCONF\r\n")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ".") {
			b.WriteByte('.')
		}
		b.WriteString(strings.TrimRight(line, "\r\n") + "\r\n")
	}
	b.WriteByte('.')
	_, err := c.send(b.String())
	return err
}

func (c *controller) send(text string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.raw.SetDeadline(time.Now().Add(c.wait)); err != nil {
		return nil, fmt.Errorf("sending a command to tor: %w", err)
	}
	// bine takes its first argument for a format.
	resp, err := c.conn.SendRequest("%s", text)
	var refused *textproto.Error
	switch {
	case errors.As(err, &refused) && resp != nil:
		err = &RefusedError{Code: refused.Code, Text: plain(strings.Join(resp.DataWithReply(), " "))}
	case err != nil:
		c.close()
		return nil, fmt.Errorf("waiting for tor's answer: %w", err)
	}
	if clear := c.raw.SetDeadline(time.Time{}); clear != nil && err == nil {
		err = fmt.Errorf("waiting for tor's answer: %w", clear)
	}
	if err != nil {
		return nil, err
	}
	return resp.DataWithReply(), nil
}

// getInfo asks for one value (control-spec, "GETINFO").
func (c *controller) getInfo(key string) (string, error) {
	lines, err := c.command("GETINFO " + key)
	if err != nil {
		return "", fmt.Errorf("asking tor for %s: %w", key, err)
	}
	value, found := strings.CutPrefix(lines[0], key+"=")
	if !found {
		return "", fmt.Errorf("asking tor for %s: it answered something else", key)
	}
	return strings.TrimSpace(value), nil
}

// nextEvent waits for the next event of a connection that has subscribed, and
// returns its line. Events of several lines are skipped: none of ours is one.
func (c *controller) nextEvent() (string, error) {
	for {
		resp, err := c.conn.ReadResponse()
		if err != nil {
			return "", fmt.Errorf("reading tor's events: %w", err)
		}
		if resp.IsAsync() && len(resp.Data) == 0 {
			return resp.Reply, nil
		}
	}
}

// close ends the connection at once, without a QUIT that waits for an answer.
func (c *controller) close() {
	c.pause.end()
	_ = c.raw.Close()
}
