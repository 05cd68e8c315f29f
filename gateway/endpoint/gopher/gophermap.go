package gopher

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// maxMap bounds what is read of a gophermap, in bytes.
const maxMap = 256 << 10

const gopherPort = 70

// writeMap sends a menu that the owner wrote. Its dialect is the common one: a
// line without a TAB is text to show; any other is
//
//	XName TAB selector TAB host TAB port
//
// with X the type. Without a selector the name is the selector, a selector
// that does not begin with a slash is relative to dir (a selector itself), and
// without a host, or with the host "+", the item is on this box.
func writeMap(m *menu, text io.Reader, dir string) error {
	lines := bufio.NewScanner(io.LimitReader(text, maxMap))
	lines.Buffer(nil, maxMap+1)
	for lines.Scan() {
		writeMapLine(m, strings.TrimSuffix(lines.Text(), "\r"), dir)
	}
	m.end()
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading a gophermap: %w", err)
	}
	return nil
}

func writeMapLine(m *menu, line, dir string) {
	fields := strings.Split(line, "\t")
	if len(fields) == 1 || fields[0] == "" || isControl(line[0]) || line[0] >= 0x80 {
		m.info(line)
		return
	}
	fields = append(fields, "", "", "")
	k, display, selector, host := kind(line[0]), fields[0][1:], fields[1], fields[2]
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
