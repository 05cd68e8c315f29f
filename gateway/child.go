package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/supervise"
)

// answerTimeout is how long serve may take to obey or to report.
const answerTimeout = 10 * time.Second

// errAway is returned while no serve process is there to obey.
var errAway = errors.New("serve is not running, it is being started")

// Child runs `tunic serve` and speaks to it. It is the real Server.
type Child struct {
	Command supervise.Command // without Files: the link is its descriptor 3
	Log     *slog.Logger
	Changed func()                                  // called when serve came or went; must not block
	Grant   func(context.Context, link.Grant) error // decides about serve's grants; nil: none is given

	// Sign signs a mail for serve, which has no key; nil: none is signed.
	Sign func(link.Sign) ([]byte, error)

	granting atomic.Int32
	signing  atomic.Int32
	Pair     func(context.Context, link.Pairing) link.Paired // makes a step with another box
	Met      func(context.Context, link.Seen) link.Paired    // keeps what a friend's box said

	pairing atomic.Int32

	mu      sync.Mutex
	conn    *link.Conn // nil while serve is away
	pid     int
	sent    map[string]*os.File // listeners that this process has
	current *link.Desired       // what this process runs
	waiting map[uint64]chan link.Answer
	last    uint64
	lastErr error // how the last process ended
}

// Serve keeps the process running until ctx ends.
func (c *Child) Serve(ctx context.Context) error {
	b := supervise.Backoff{Min: 200 * time.Millisecond, Max: 30 * time.Second, Healthy: time.Minute,
		OnExit: func(err error, _ time.Duration) {
			c.mu.Lock()
			c.lastErr = err
			c.mu.Unlock()
			c.Changed()
		}}
	return supervise.Keep(ctx, "serve", c.Log, b, c.run)
}

// run is the life of one process.
func (c *Child) run(ctx context.Context) error {
	conn, file, err := link.Pair()
	if err != nil {
		return err
	}
	defer conn.Close()
	cmd := c.Command
	cmd.Files = []*os.File{file}
	p, err := supervise.Start(cmd, c.Log, func(line string) { c.Log.Info("serve says", "line", line) })
	file.Close()
	if err != nil {
		return err
	}
	c.attach(conn, p.PID())
	defer c.detach()
	go c.receive(ctx, conn)
	c.Changed()
	select {
	case <-p.Done():
		return p.Err()
	case <-ctx.Done():
		conn.Close() // serve ends when the link does
		return p.Stop(context.WithoutCancel(ctx), 5*time.Second)
	}
}

func (c *Child) attach(conn *link.Conn, pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.pid, c.sent, c.current = conn, pid, make(map[string]*os.File), nil
	c.waiting = make(map[uint64]chan link.Answer)
}

func (c *Child) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.pid = nil, 0
	for id, ch := range c.waiting {
		close(ch)
		delete(c.waiting, id)
	}
}

// receive hands answers to those who wait for them.
func (c *Child) receive(ctx context.Context, conn *link.Conn) {
	for {
		m, files, err := conn.Receive()
		for _, f := range files { // serve has no business to send any
			f.Close()
		}
		if err != nil {
			conn.Close()
			return
		}
		switch m := m.(type) {
		case link.Grant:
			c.grant(ctx, conn, m)
			continue
		case link.Pairing:
			c.pair(ctx, conn, m.ID, func(ctx context.Context) link.Paired { return c.Pair(ctx, m) })
			continue
		case link.Seen:
			c.pair(ctx, conn, m.ID, func(ctx context.Context) link.Paired { return c.Met(ctx, m) })
			continue
		}
		if s, ok := m.(link.Sign); ok {
			c.sign(conn, s)
			continue
		}
		answer, ok := m.(link.Answer)
		if !ok {
			c.Log.Warn("serve sent an unexpected message", "type", fmt.Sprintf("%T", m))
			continue
		}
		c.mu.Lock()
		if ch := c.waiting[answer.ID]; ch != nil {
			ch <- answer
			delete(c.waiting, answer.ID)
		}
		c.mu.Unlock()
	}
}

// PID is the process id of serve, 0 while it is away.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Apply makes serve run d on the listeners, and returns what it could not do.
// If serve runs just that already, nothing is sent.
func (c *Child) Apply(ctx context.Context, d link.Desired, listeners map[string]*os.File) ([]string, error) {
	conn, err := c.hand(listeners)
	if err != nil {
		return nil, err
	}
	d.ID = 0
	c.mu.Lock()
	same := c.current != nil && reflect.DeepEqual(*c.current, d)
	c.mu.Unlock()
	if same {
		return nil, nil
	}
	answer, err := c.ask(ctx, conn, func(id uint64) link.Message { d := d; d.ID = id; return d })
	if err != nil {
		return nil, err
	}
	if len(answer.Errors) == 0 {
		c.mu.Lock()
		c.current = &d
		c.mu.Unlock()
	}
	return answer.Errors, nil
}

// hand sends the listeners that this process does not have yet.
func (c *Child) hand(listeners map[string]*os.File) (*link.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil, errors.Join(errAway, c.lastErr)
	}
	for name, f := range listeners {
		if c.sent[name] == f {
			continue
		}
		if err := c.conn.Send(link.Listener{Name: name}, f); err != nil {
			return nil, fmt.Errorf("handing listener %s to serve: %w", name, err)
		}
		c.sent[name], c.current = f, nil
	}
	for name := range c.sent {
		if listeners[name] == nil {
			delete(c.sent, name)
		}
	}
	return c.conn, nil
}

// Status asks serve for its counters.
func (c *Child) Status(ctx context.Context) (link.Status, error) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return link.Status{}, errAway
	}
	answer, err := c.ask(ctx, conn, func(id uint64) link.Message { return link.Ask{ID: id} })
	return answer.Status, err
}

// ask sends a request and waits for its answer.
func (c *Child) ask(ctx context.Context, conn *link.Conn, request func(id uint64) link.Message) (link.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return c.await(ctx, conn, request)
}

// await is ask for as long as ctx allows.
func (c *Child) await(ctx context.Context, conn *link.Conn, request func(id uint64) link.Message) (link.Answer, error) {
	ch := make(chan link.Answer, 1)
	c.mu.Lock()
	if c.conn != conn {
		c.mu.Unlock()
		return link.Answer{}, errAway
	}
	c.last++
	id := c.last
	c.waiting[id] = ch
	c.mu.Unlock()
	if err := conn.Send(request(id)); err != nil {
		return link.Answer{}, fmt.Errorf("speaking to serve: %w", err)
	}
	select {
	case answer, ok := <-ch:
		if !ok {
			return link.Answer{}, errAway
		}
		return answer, nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return link.Answer{}, fmt.Errorf("waiting for serve: %w", ctx.Err())
	}
}
