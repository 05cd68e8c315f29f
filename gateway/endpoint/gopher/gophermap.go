package gopher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// maxMap bounds what is read of a gophermap, in bytes.
const maxMap = 256 << 10

const gopherPort = 70

// maxIncludes bounds how deep gophermaps may include each other.
const maxIncludes = 4

// mapping is a gophermap that is being sent.
type mapping struct {
	server *Server
	menu   *menu
	name   string // of its directory
	hidden map[string]bool
	kinds  map[string]kind // by extension, for the directory's list
	lines  int
}

// writeMap sends a menu that the owner wrote. Its dialect is the common one of
// Bucktooth: a line without a TAB is text to show; any other is
//
//	XName TAB selector TAB host TAB port
//
// with X the type. Without a selector the name is the selector, a selector
// that does not begin with a slash is relative to the directory, and without a
// host, or with the host "+", the item is on this box. Beside these it knows
// the lines of Gophernicus (README, "Gophermaps"): "# a comment", "!a title" in
// the first line, "-file" leaves a file out of the list and ":ext=X" gives an
// extension a type, "=file" includes another gophermap, "*" ends the map with
// the list of the directory and "." ends it. Of "-" and "=" the file must be
// there: rows of them are drawings.
func (s *Server) writeMap(ctx context.Context, m *menu, text io.Reader, name string) error {
	w := &mapping{server: s, menu: m, name: name, hidden: make(map[string]bool), kinds: make(map[string]kind)}
	_, err := w.write(ctx, text, 0)
	if err == nil {
		m.end()
	}
	return err
}

// write sends the lines of one file, and reports whether the map goes on.
func (w *mapping) write(ctx context.Context, text io.Reader, depth int) (bool, error) {
	lines := bufio.NewScanner(io.LimitReader(text, maxMap))
	lines.Buffer(nil, maxMap+1)
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		w.lines++
		switch {
		case line == ".":
			return false, nil
		case line == "*":
			return false, w.server.writeList(ctx, w.menu, w.name, w)
		case w.included(line):
			if on, err := w.include(ctx, line[1:], depth+1); !on || err != nil {
				return on, err
			}
		case !w.setting(line):
			writeMapLine(w.menu, line, selectorOf(w.name))
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("reading a gophermap: %w", err)
	}
	return true, nil
}

// setting takes a line that shows nothing, or the title.
func (w *mapping) setting(line string) bool {
	switch {
	case strings.Contains(line, "\t"):
		return false
	case strings.HasPrefix(line, "#"):
		return !strings.HasPrefix(line, "##") // a row of them is a drawing
	case strings.HasPrefix(line, "!") && w.lines == 1:
		w.menu.link(kindInfo, line[1:], "TITLE", w.menu.visitor.Host, w.menu.visitor.Port)
		return true
	case strings.HasPrefix(line, "-") && w.has(line[1:]):
		w.hidden[line[1:]] = true
		return true
	}
	ext, k, ok := strings.Cut(strings.TrimPrefix(line, ":"), "=")
	if strings.HasPrefix(line, ":") && ok && len(k) == 1 && !isControl(k[0]) && k[0] < 0x80 && ext != "" && !strings.Contains(ext, " ") {
		w.kinds[strings.ToLower(ext)] = kind(k[0])
		return true
	}
	return false
}

func (w *mapping) included(line string) bool {
	return strings.HasPrefix(line, "=") && !strings.Contains(line, "\t") && w.has(line[1:])
}

// has reports whether the directory has a file of that name to serve.
func (w *mapping) has(file string) bool {
	if !fs.ValidPath(file) || file == "." || hasControl(file) {
		return false
	}
	info, err := w.server.root.Stat(path.Join(w.name, file))
	return err == nil && info.Mode().IsRegular()
}

// include sends the lines of another file of the directory, or of one below.
func (w *mapping) include(ctx context.Context, file string, depth int) (bool, error) {
	if depth > maxIncludes || ctx.Err() != nil {
		return true, ctx.Err()
	}
	f, info, err := w.server.open(path.Join(w.name, file))
	if err != nil {
		return true, nil
	}
	defer f.Close()
	if !info.Mode().IsRegular() {
		return true, nil
	}
	return w.write(ctx, f, depth)
}

// keep leaves out what the map hides, and gives types as it says.
func (w *mapping) keep(entries []entry) []entry {
	var list []entry
	for _, e := range entries {
		if w.hidden[e.name] {
			continue
		}
		if k, ok := w.kinds[strings.ToLower(strings.TrimPrefix(path.Ext(e.name), "."))]; ok && e.kind != kindMenu {
			e.kind = k
		}
		list = append(list, e)
	}
	return list
}

func writeMapLine(m *menu, line, dir string) {
	fields := strings.Split(line, "\t")
	if len(fields) == 1 || fields[0] == "" || isControl(line[0]) || line[0] >= 0x80 {
		m.info(line)
		return
	}
	fields = append(fields, "", "", "")
	k, display, selector, host := kind(line[0]), fields[0][1:], fields[1], strings.TrimSpace(fields[2])
	switch {
	case k == kindInfo || k == kindError:
		m.item(k, display, "")
	case isThisBox(host):
		if selector == "" {
			selector = display
		}
		m.item(k, display, mapSelector(selector, dir))
	case isAtHome(host):
		m.info(display)
	default:
		port, err := mapPort(fields[3])
		if err != nil {
			m.info(display)
			return
		}
		m.link(k, display, selector, host, port)
	}
}

// mapSelector makes a selector of one that may be relative to dir.
func mapSelector(selector, dir string) string {
	if strings.HasPrefix(selector, "/") || strings.HasPrefix(selector, redirectPrefix) {
		return selector
	}
	return path.Join(dir, selector)
}

func mapPort(text string) (uint16, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == "+" {
		return gopherPort, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil && n == 0 {
		err = errors.New("port 0")
	}
	return uint16(n), err
}

// isThisBox reports whether a host in a gophermap means the server itself.
func isThisBox(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "" || host == "+" || strings.EqualFold(host, "localhost")
}

// isAtHome reports whether a host has its place in the home's network alone.
// Such a line is shown without its address: friends could not follow it, and
// it would tell them about the home.
func isAtHome(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return !addr.IsGlobalUnicast() || addr.IsPrivate()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == peerDomain || strings.HasSuffix(host, "."+peerDomain) {
		return false
	}
	for _, domain := range []string{"home.arpa", "local", "lan", "internal", "home", "localdomain", "localhost"} {
		if strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return !strings.Contains(host, ".")
}

// peerDomain holds the names of friends' boxes, which mean the same thing in
// their houses if they are written with the box's key.
const peerDomain = "peer.home.arpa"
