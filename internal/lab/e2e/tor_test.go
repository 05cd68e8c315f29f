//go:build lab

package e2e

import (
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/gateway/config"
)

// ask puts questions to the tor that runs in a directory, and returns its
// answers (control-spec).
func (w *world) ask(run string, questions ...string) string {
	w.Helper()
	cookie, err := os.ReadFile(filepath.Join(run, "control.cookie"))
	if err != nil {
		w.Fatal(err)
	}
	conn, err := net.Dial("unix", filepath.Join(run, "control.sock"))
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		w.Fatal(err)
	}
	all := append([]string{"AUTHENTICATE " + hex.EncodeToString(cookie)}, append(questions, "QUIT")...)
	if _, err := io.WriteString(conn, strings.Join(all, "\r\n")+"\r\n"); err != nil {
		w.Fatal(err)
	}
	answers, err := io.ReadAll(conn)
	if err != nil {
		w.Fatal(err)
	}
	return string(answers)
}

// onionCircuits are the circuits and streams to and from onions, as the tors of
// the visitor's household and of the gateway see them.
func (w *world) onionCircuits(visitor string) string {
	w.Helper()
	var found strings.Builder
	for _, node := range []string{visitor, "gateway"} {
		text := w.ask(config.NewPaths(w.lab.Root(node)).TorRun(), "GETINFO circuit-status", "GETINFO stream-status")
		for line := range strings.Lines(text) {
			if strings.Contains(line, "HS_") || strings.Contains(line, ".onion") || strings.Contains(line, ".exit") {
				found.WriteString(node + ": " + line)
			}
		}
	}
	return found.String()
}
