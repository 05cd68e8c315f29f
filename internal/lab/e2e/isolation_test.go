//go:build lab

package e2e

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/internal/lab/traffic"
)

// testIsolation: two devices never share a circuit, one device's connections
// do (L40).
func testIsolation(w *world) {
	circuits := map[string]string{}
	for _, c := range []struct {
		name string
		from traffic.Host
	}{{"phone", w.phone}, {"phone again", w.phone}, {"laptop", w.laptop}} {
		before := w.streams()
		conn, err := c.from.Dial(w.ctx, "tcp", web4+":80")
		if err != nil {
			w.Fatal(err)
		}
		defer conn.Close()
		w.eventually("a stream of the "+c.name, 20*time.Second, func() bool {
			for id, circuit := range w.streams() {
				if before[id] == "" {
					circuits[c.name] = circuit
				}
			}
			return circuits[c.name] != ""
		})
	}
	if circuits["phone"] != circuits["phone again"] {
		w.Errorf("two connections of the phone use the circuits %v: nothing can be concluded", circuits)
	}
	if circuits["phone"] == circuits["laptop"] {
		w.Errorf("phone and laptop share a circuit: %v", circuits)
	}
}

// streams asks the gateway's tor for its open streams to the web server: the
// circuit of each (control-spec, "stream-status").
func (w *world) streams() map[string]string {
	w.Helper()
	conn, err := net.Dial("unix", filepath.Join(w.paths().TorRun(), "control.sock"))
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	cookie, err := os.ReadFile(filepath.Join(w.paths().TorRun(), "control.cookie"))
	if err != nil {
		w.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "AUTHENTICATE %s\r\nGETINFO stream-status\r\nQUIT\r\n", hex.EncodeToString(cookie)); err != nil {
		w.Fatal(err)
	}
	found := make(map[string]string)
	lines := bufio.NewScanner(io.LimitReader(conn, 1<<20))
	for lines.Scan() {
		line := strings.TrimPrefix(lines.Text(), "250-stream-status=")
		if f := strings.Fields(line); len(f) >= 4 && f[1] == "SUCCEEDED" && f[3] == web4+":80" {
			found[f[0]] = f[2]
		}
	}
	return found
}
