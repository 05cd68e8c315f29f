package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
)

// goes are what no person should have to read.
var goes = regexp.MustCompile(`JSON|strconv|x509|open /|mkdir /|rename /|` +
	`dial |listen tcp|bind:|connect:|i/o timeout|\$PATH|exec:|context |EOF|exit status|signal:|fork/`)

func opError(op, network, source, addr string, err error) error {
	e := &net.OpError{Op: op, Net: network, Err: err}
	parse := func(s string) net.Addr { a, _ := net.ResolveTCPAddr("tcp", s); return a }
	if e.Addr = parse(addr); network == "unix" {
		e.Addr = &net.UnixAddr{Name: addr, Net: network}
	}
	if source != "" {
		e.Source = parse(source)
	}
	return e
}

func notANumber(s string) error { _, err := strconv.Atoi(s); return err }

// Errors as package net makes them come out in words, wherever they stand in a text.
func TestWords(t *testing.T) {
	call := func(name string, err syscall.Errno) error { return os.NewSyscallError(name, err) }
	dial := func(addr string, err error) error { return opError("dial", "tcp", "", addr, err) }
	listen := func(addr string, err syscall.Errno) error {
		return opError("listen", "tcp", "", addr, call("bind", err))
	}
	for want, err := range map[string]error{
		"192.168.77.20:8080 does not answer":                dial("192.168.77.20:8080", os.ErrDeadlineExceeded),
		"nothing listens at [fd77::20]:80":                  dial("[fd77::20]:80", call("connect", syscall.ECONNREFUSED)),
		"192.168.77.20:80 is not there":                     dial("192.168.77.20:80", call("connect", syscall.EHOSTUNREACH)),
		"no network leads to 192.168.77.20:80":              dial("192.168.77.20:80", call("connect", syscall.ENETUNREACH)),
		"192.0.2.1:80 has ended the connection":             opError("read", "tcp", "192.0.2.9:1", "192.0.2.1:80", syscall.ECONNRESET),
		"there is no socket /run/x":                         opError("dial", "unix", "", "/run/x", call("connect", syscall.ENOENT)),
		"nobody listens at the socket /run/x":               opError("dial", "unix", "", "/run/x", call("connect", syscall.ECONNREFUSED)),
		"another program has 192.0.2.1:53":                  listen("192.0.2.1:53", syscall.EADDRINUSE),
		"this box does not have the address of [::1]:53":    listen("[::1]:53", syscall.EADDRNOTAVAIL),
		"tunic may not listen at 192.0.2.1:53":              listen("192.0.2.1:53", syscall.EACCES),
		"192.0.2.1:53: too many open files":                 dial("192.0.2.1:53", call("socket", syscall.EMFILE)),
		"there is no address for nas.lan":                   &net.DNSError{Err: "no such host", Name: "nas.lan", Server: "192.0.2.1:53"},
		"it took too long":                                  context.DeadlineExceeded,
		"it was called off":                                 context.Canceled,
		"the other side has closed the connection":          errors.New("EOF"),
		`the program "torr" is not on this box`:             &exec.Error{Name: "torr", Err: exec.ErrNotFound},
		"the program /opt/torr is not on this box":          &os.PathError{Op: "fork/exec", Path: "/opt/torr", Err: syscall.ENOENT},
		"it ended with status 3":                            errors.New("exit status 3"),
		"it was killed":                                     errors.New("signal: killed"),
		"/var/x is not there":                               &os.PathError{Op: "open", Path: "/var/x", Err: syscall.ENOENT},
		"/var/x: permission denied":                         &os.PathError{Op: "mkdir", Path: "/var/x", Err: syscall.EACCES},
		"/var/x: the disk has errors":                       &os.PathError{Op: "read", Path: "/var/x", Err: syscall.EIO},
		"/var/y: no space left on device":                   &os.LinkError{Op: "rename", Old: "/var/x", New: "/var/y", Err: syscall.ENOSPC},
		"it is damaged":                                     json.Unmarshal([]byte("{"), new(int)),
		`"x" is no number that can be there`:                notANumber("x"),
		"the connection was closed":                         net.ErrClosed,
		"its certificate is by nobody whom this box trusts": &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
	} {
		text := New(TargetUnreachable, "nas", fmt.Sprintf("the nas: %v", err)).Text
		if text != "the nas: "+want || goes.MatchString(text) {
			t.Errorf("%q becomes %q, not %q", err, text, want)
		}
	}
}

// Real errors of this machine do too.
func TestWordsOfRealErrors(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	_, none := net.Dial("unix", gone)
	_, program := exec.Command(gone).Output()
	for want, err := range map[string]error{"there is no socket " + gone: none, "the program " + gone + " is not on this box": program} {
		if err == nil {
			t.Fatal("no error")
		}
		if got := Words(err.Error()); got != want {
			t.Errorf("%q becomes %q, not %q", err, got, want)
		}
	}
}

// What an error speaks of stays as it is, while its own words change.
func TestWordsKeepsPathsAndQuotes(t *testing.T) {
	for text, want := range map[string]string{
		"open /srv/tls: permission denied":                                           "/srv/tls: permission denied",
		"in /srv/tls: open /srv/tls: no such file or directory":                      "in /srv/tls: /srv/tls is not there",
		"rename /srv/tls /srv/x509: no space left on device":                         "/srv/x509: no space left on device",
		"read unix /run/a->/run/tls: read: broken pipe":                              "/run/tls: broken pipe",
		`fork/exec /opt/x509: no such file or directory`:                             "the program /opt/x509 is not on this box",
		`Get "https://a.example/tls: x": context canceled`:                           `Get "https://a.example/tls: x": it was called off`,
		`parsing "a \\"b": exit status 1`:                                            `parsing "a \\"b": it ended with status 1`,
		"the nas: remote error: tls: bad certificate":                                "the nas: TLS: bad certificate",
		"the nas: tls: handshake failure":                                            "the nas: TLS: handshake failure",
		"(open /a: permission denied)":                                               "(/a: permission denied)",
		"json: cannot unmarshal string into Go value of type int; run `tunic check`": "it is damaged; run `tunic check`",
		"a\xffb: exit status 1":                                                      "a\xffb: it ended with status 1",
	} {
		if got := Words(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

// Texts that are for people already stay as they are.
func TestWordsLeavesTheRest(t *testing.T) {
	for _, text := range []string{"the household interface eth1 has no cable",
		"read the file /etc/tunic/tunic.toml: 3: text needs quotes", "Tor is connecting: 5 %, Connecting to a relay: No route to host",
		"the onion photos, port 80: connection refused: nothing listens there",
		"keeping certificates of x.onion in /srv/tls: function not implemented",
		"keeping certificates of x.onion in /srv/x509: read-only file system",
		"the onion tls: it is not published", "tls: it is not published",
		"others can read /etc/tunic/secret: run chmod 600 /etc/tunic/secret",
		"tor says \"dial tcp 192.0.2.1:9001: i/o timeout\"", `the banner "exit status 3: EOF" is no greeting`,
		"the list https://lists.example/tls: is not read", "/srv/signal: killed", "in /srv/read /srv/x: a file",
		"run `tunic log /x: EOF`", "the directory /srv/context canceled", "it has \uE000: exit status 3",
		"another device may listen ipv4-only /x: see its manual"} {
		if got := Words(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
