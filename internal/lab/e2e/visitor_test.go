//go:build lab

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tunic/internal/lab"
)

// visitor is somebody with a tor of their own, somewhere in the internet: what
// they remember of an onion is theirs alone.
type visitor struct {
	*world
	name string
	port int
	dir  string
	tor  lab.Process
}

// visitors starts tors, with the keys by onion address that each has, and waits
// until they are connected.
func (w *world) visitors(keys map[string]map[string]string) map[string]*visitor {
	w.Helper()
	begin := time.Now()
	shared, err := os.ReadFile(filepath.Join(w.paths().TorrcDir(), "lab.conf"))
	if err != nil {
		w.Fatal(err)
	}
	all := make(map[string]*visitor)
	for name, own := range keys {
		dir := filepath.Join(w.lab.Root("friend"), "visitors", name)
		v := &visitor{world: w, name: name, port: 19000 + len(all), dir: dir}
		v.files(own)
		torrc := filepath.Join(dir, "torrc")
		w.write(torrc, fmt.Sprintf("%sDataDirectory %s/data\nSocksPort %d ExtendedErrors\nClientOnionAuthDir %s/auth\nControlSocket %s\n"+
			"Log notice stdout\nLog [rend,circ]info file %s\nSafeLogging 0\n", shared, dir, v.port, dir, v.control(), v.log()))
		if v.tor, err = w.lab.Start(lab.InternetNode, "visitor-"+name, "tor", "-f", torrc); err != nil {
			w.Fatal(err)
		}
		w.Cleanup(v.leave)
		all[name] = v
	}
	for _, v := range all {
		w.eventually(v.name+"'s tor is connected", time.Minute, func() bool {
			text, err := os.ReadFile(w.lab.LogFile("visitor-" + v.name))
			return err == nil && strings.Contains(string(text), "Bootstrapped 100%")
		})
	}
	w.timed(fmt.Sprintf("%d visitors' tors connected", len(all)), time.Since(begin))
	return all
}

// files writes the keys by which the visitor finds private onions.
func (v *visitor) files(keys map[string]string) {
	v.Helper()
	for _, sub := range []string{"data", "auth"} {
		if err := os.MkdirAll(filepath.Join(v.dir, sub), 0o700); err != nil {
			v.Fatal(err)
		}
	}
	for address, key := range keys {
		onion := strings.TrimSuffix(address, ".onion")
		line := onion + ":descriptor:x25519:" + key + "\n"
		if err := os.WriteFile(filepath.Join(v.dir, "auth", onion[:8]+".auth_private"), []byte(line), 0o600); err != nil {
			v.Fatal(err)
		}
	}
}

// log is where the visitor's tor says what it does with onions and circuits.
func (v *visitor) log() string { return filepath.Join(v.dir, "info.log") }

// control is where the visitor's tor takes commands.
func (v *visitor) control() string { return filepath.Join(v.dir, "control.sock") }

func (v *visitor) leave() {
	if v.tor.Alive() {
		if p, err := os.FindProcess(v.tor.PID); err == nil {
			_ = p.Kill() // it may have ended by itself
		}
	}
}

// args are curl's, through the visitor's tor.
func (v *visitor) args(limit int, more ...string) []string {
	return append([]string{"curl", "-sS", "-m", strconv.Itoa(limit), "--socks5-hostname", fmt.Sprintf("127.0.0.1:%d", v.port)}, more...)
}

// reads reports whether a page can be fetched, and what curl said if not.
func (v *visitor) reads(limit int, address string) (bool, string) {
	v.Helper()
	r := v.exec(lab.InternetNode, v.args(limit, "http://"+address+"/")...)
	return r.Code == 0 && strings.Contains(r.Stdout, "This is the nas."), r.Stderr
}

// untilReads waits until it can be, and returns how long that took.
func (v *visitor) untilReads(address string, limit time.Duration) time.Duration {
	v.Helper()
	for begin := time.Now(); ; v.pause(50 * time.Millisecond) {
		ok, said := v.reads(15, address)
		took := time.Since(begin)
		if ok {
			return took
		}
		if took > limit {
			v.Fatalf("%s does not read %s after %v: %s; its tor said:\n%s",
				v.name, address, took.Round(time.Millisecond), said, tail(v.log(), 150))
		}
	}
}

// download begins one that would take longer than any test; ended is closed
// when it is over.
func (v *visitor) download(address string) (cmd *exec.Cmd, ended chan struct{}) {
	v.Helper()
	cmd, err := v.lab.Command(v.ctx, lab.InternetNode,
		v.args(300, "-o", "/dev/null", "--limit-rate", "1M", "http://"+address+"/blob?bytes=1000000000")...)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		v.Fatal(err)
	}
	ended = make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	return cmd, ended
}
