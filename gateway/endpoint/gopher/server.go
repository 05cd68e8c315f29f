// Package gopher serves a directory over the Internet Gopher Protocol
// (RFC 1436): menus, files and a search, to friends over an onion and to the
// household alike.
//
// Use it to put texts and files where people find them with the smallest of
// clients. Do not use it to take anything from visitors: it only reads. What a
// visitor can reach is what lies below the root: os.Root keeps "..", absolute
// paths and symbolic links from leading out, and what begins with a dot is
// neither listed nor served under its name. Menus name the box only by the
// name that the visitor used for it.
package gopher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/fair"
)

const (
	// requestTime is how long a visitor may take for a request of one line.
	// Through Tor a round trip can take seconds.
	requestTime = 60 * time.Second

	// writeTime is how long a visitor may take for a buffer of the answer:
	// less than 300 bytes a second is no transfer.
	writeTime = 60 * time.Second

	bufferSize = 16 << 10 // bytes
)

// Server is the endpoint "gopher". It is safe for concurrent use.
type Server struct {
	root     *os.Root
	log      *slog.Logger
	searches chan struct{} // holds a token for each search that is under way

	friendSearches *fair.Share[string] // the same for those of friends' holes, by device

	request time.Duration // requestTime but in tests
	write   time.Duration // writeTime but in tests
	entries int           // maxEntries but in tests
}

var _ endpoint.Endpoint = (*Server)(nil)

// New returns a server for the directory root. Changes in the directory show
// at once; another directory in its place does not.
func New(root string, log *slog.Logger) (*Server, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("opening the gopher directory: %w", err)
	}
	return &Server{
		root:     r,
		log:      log,
		searches: make(chan struct{}, maxSearches),

		friendSearches: fair.New[string](maxFriendSearches, maxFriendSearches),

		request: requestTime,
		write:   writeTime,
		entries: maxEntries,
	}, nil
}

// Close gives up the directory. Conversations under way fail.
func (s *Server) Close() error { return s.root.Close() }

// Name returns "gopher".
func (s *Server) Name() string { return "gopher" }

// ServeConn reads one request and answers it; there is never a second one.
func (s *Server) ServeConn(ctx context.Context, c net.Conn, v endpoint.Visitor) error {
	return s.serve(ctx, c, v, nil)
}

// serve is ServeConn for somebody who may search these friends' holes.
func (s *Server) serve(ctx context.Context, c net.Conn, v endpoint.Visitor, friends []Friend) error {
	if err := c.SetReadDeadline(time.Now().Add(s.request)); err != nil {
		return fmt.Errorf("setting the time limit of a request: %w", err)
	}
	m := newMenu(&paced{c, s.write}, v)
	m.friends = friends
	switch req, err := readRequest(c); {
	case errors.Is(err, errRequest):
		m.fail("this is not a Gopher request")
	case err != nil:
		return fmt.Errorf("reading a request: %w", err)
	default:
		if err := s.answer(ctx, req, m); err != nil {
			return err
		}
	}
	if err := m.w.Flush(); err != nil {
		return fmt.Errorf("sending an answer: %w", err)
	}
	return nil
}

// answer writes what was asked for. The error is about the connection or a
// file that broke off; all else is told to the visitor.
func (s *Server) answer(ctx context.Context, req request, m *menu) error {
	if url, ok := redirectURL(req.selector); ok {
		return writeRedirect(m, url)
	}
	name, err := localName(req.selector)
	if err != nil {
		m.fail("not found")
		return nil
	}
	f, info, err := s.open(name)
	switch {
	case err == nil:
		defer f.Close()
	case name == searchName:
		return s.search(ctx, req.words, m)
	case name == friendsName && len(m.friends) > 0:
		return s.askFriends(ctx, req.words, m)
	case name == capsName && errors.Is(err, fs.ErrNotExist):
		return writeText(m.w, strings.NewReader(caps))
	default:
		s.refuse(m, name, err)
		return nil
	}
	switch {
	case info.IsDir() && req.plus:
		m.plain(req.selector)
		return nil
	case info.IsDir():
		return s.directory(ctx, name, f, m)
	}
	return s.file(name, f, m.w)
}

// refuse tells the visitor that there is nothing, whatever the reason: the
// reason would tell of the box. The owner sees in the log what needs care.
func (s *Server) refuse(m *menu, name string, err error) {
	if errors.Is(err, os.ErrPermission) {
		s.log.Warn("file cannot be read", "name", name, "err", err)
	}
	m.fail("not found")
}

// file sends one file in the form that its type asks for: text by lines, and
// all else as it is until the connection ends.
func (s *Server) file(name string, f *os.File, w *bufio.Writer) error {
	kind, err := kindOf(name, f)
	if err == nil && kind == kindText {
		err = writeText(w, f)
	} else if err == nil {
		_, err = io.Copy(w, f)
	}
	if err != nil {
		return fmt.Errorf("sending a file: %w", err)
	}
	return nil
}

// paced gives each Write a time limit of its own, so that a long answer goes
// on for as long as data flows.
type paced struct {
	conn  net.Conn
	limit time.Duration
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.conn.Write(b)
}
