// Package lonetor runs a tor without any network, for tests of how it sees the streams of
// devices. It takes fixed ports, so each test has to be in a network namespace of its own.
package lonetor

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// control is where tor takes commands.
const control = "127.0.0.1:9251"

// Tor is one that runs until the test ends.
type Tor struct {
	conn  net.Conn
	lines *bufio.Reader
}

// Start runs tor with lines of a torrc beside those that it needs, and has it tell of streams.
func Start(t *testing.T, lines ...string) *Tor {
	t.Helper()
	dir := t.TempDir()
	torrc := filepath.Join(dir, "torrc")
	lines = append(lines, "DataDirectory "+filepath.Join(dir, "data"), "ControlPort "+control, "CookieAuthentication 0",
		"SafeLogging 0", "")
	if err := os.WriteFile(torrc, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	tor := exec.Command("tor", "-f", torrc, "--quiet")
	if err := tor.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tor.Process.Kill(); tor.Wait() })
	for range 600 {
		c, err := net.Dial("tcp", control)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			fmt.Fprint(c, "AUTHENTICATE\r\nSETEVENTS STREAM\r\n")
			return &Tor{c, bufio.NewReader(c)}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("tor does not listen on its control port")
	return nil
}

// Stream waits for the event of the first stream to a host (control-spec, 4.1.2) and returns
// its line.
func (o *Tor) Stream(t *testing.T, host string) string {
	t.Helper()
	o.conn.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		line, err := o.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for a stream to %s: %v", host, err)
		}
		if strings.HasPrefix(line, "650 STREAM") && strings.Contains(line, " "+host+":") {
			t.Logf("%s", strings.TrimSpace(line))
			return line
		}
	}
}
