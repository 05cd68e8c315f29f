//go:build lab

package e2e

import (
	"bufio"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// testBehind looks at what an onion could give away, or let in (P01 to P09).
func testBehind(w *world) {
	address := w.publish("behind", "80="+lab.NASOnionTarget, fmt.Sprintf("2222=%s:%d", nas4, lab.NASEchoPort))
	defer w.must("gateway", "tunic", "unpublish", "behind")
	w.run("P01, what a service on the box is told", toldByProxy)
	w.run("P01, ways into tunic itself", waysIn)
	w.run("P02, nothing listens for others", func(w *world) { onlyTheOnion(w, address) })
	w.run("P03, the answer is the service's own", func(w *world) { ownAnswer(w, address) })
	w.run("P07, the published host calls out", callsOut)
	w.run("P08, keys", func(w *world) { keysAreKept(w) })
	w.run("P09, the log", func(w *world) { silentLog(w, address) })
}

// toldByProxy: with `proxy` a service knows that its caller is no local program.
func toldByProxy(w *world) {
	ln, err := w.gateway.Listen(w.ctx, "127.0.0.1:18090")
	if err != nil {
		w.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n') // "" is a look whether the service is there
			fmt.Fprintf(c, "HTTP/1.0 200 OK\r\n\r\ntold: %s", line)
			c.Close()
		}
	}()
	path := filepath.Join(w.paths().OnionDir(), "told.toml")
	w.write(path, "[ports]\n80 = { to = \"127.0.0.1:18090\", proxy = \"v1\" }\n")
	defer func() {
		w.remove(path)
		w.must("gateway", "tunic", "reload")
	}()
	w.must("gateway", "tunic", "reload")
	address := w.must("gateway", "tunic", "address", "told")
	w.visit("http://"+address+"/", "told: PROXY TCP6 fc00:dead:beef:4dad:", time.Minute)
}

// waysIn: no onion leads to tor's ports, to serve's or to the socket of the verbs.
func waysIn(w *world) {
	for _, target := range []string{"127.0.0.1:9240", "127.0.0.1:9250", "192.168.77.1:9250", "[::1]:9253",
		"192.168.77.1:9350", "127.0.0.1:9050",
		"unix:" + w.paths().API(), "unix:" + filepath.Join(w.paths().TorRun(), "control.sock")} {
		if r := w.exec("gateway", "tunic", "publish", "wayin", "80="+target); r.Code != 2 {
			w.Errorf("publishing %s ended with %d", target, r.Code)
		}
	}
}

// onlyTheOnion: the ports are there for who comes through Tor and nobody else.
func onlyTheOnion(w *world, address string) {
	w.visit("http://"+address+"/", "This is the nas.", time.Minute)
	for _, port := range []string{"80", fmt.Sprint(lab.NASEchoPort)} {
		if found := w.must("gateway", "ss", "-HtlnO", "sport", "=", port); found != "" {
			w.Errorf("on the box something listens: %s", found)
		}
	}
	n, err := w.lab.Plan().Node("gateway")
	if err != nil {
		w.Fatal(err)
	}
	if page, ok := w.curl(lab.InternetNode, 5, "http://"+n.Uplink.Addrs[0].Addr().String()+"/"); ok {
		w.Errorf("the internet gets a page of the box: %q", page)
	}
	if page, _ := w.curl("phone", 5, "http://192.168.77.1/"); strings.Contains(page, "This is the nas.") { // the box has its own page
		w.Errorf("the phone gets the onion's service at the box: %q", page)
	}
}

// ownAnswer: what a visitor gets is what the service sends, and names nothing of
// the house.
func ownAnswer(w *world, address string) {
	through, ok := w.curl("friend-laptop", 30, "-i", "http://"+address+"/")
	near, okNear := w.curl("phone", 10, "-i", "http://"+lab.NASOnionTarget+"/")
	if !ok || !okNear {
		w.Fatalf("fetching: %q, %q", through, near)
	}
	undated := func(page string) string {
		var kept []string
		for line := range strings.Lines(page) {
			if !strings.HasPrefix(line, "Date:") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	if undated(through) != undated(near) || strings.Contains(through, "192.168.") {
		w.Errorf("through the onion:\n%s\nin the house:\n%s", through, near)
	}
}

// callsOut: a published host that is made to fetch something does so like any
// device, through Tor.
func callsOut(w *world) {
	if page, ok := w.curl("nas", 30, "http://203.0.113.80/ip"); !ok || !house.IsExit(page) {
		w.Errorf("the nas arrives as %q", page)
	}
}

// keysAreKept: nobody but tor's user and root can read a key, and no other file
// or log has one.
func keysAreKept(w *world) {
	secret := w.newVisitorKey()
	var words []string
	dir := filepath.Dir(w.paths().OnionKeys("x"))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			w.Errorf("%s has mode %v", path, info.Mode())
		}
		if d.Name() == "hs_ed25519_secret_key" {
			key, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			words = append(words, spellings(key[32:64])...)
		}
		return nil
	})
	if err != nil || len(words) == 0 {
		w.Fatalf("looking at the keys: %v", err)
	}
	w.nowhere(append(words, secret), w.lab.LogFile("tunic-gateway"), w.paths().Etc, w.paths().Run)
}

// newVisitorKey makes and takes back a client of an onion, and returns its key.
func (w *world) newVisitorKey() string {
	w.privateOnion("kept")
	defer w.must("gateway", "tunic", "unpublish", "kept")
	return w.newClient("kept", "carol").SecretKey
}

// spellings are how a key could stand in a text.
func spellings(key []byte) []string {
	return []string{string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)),
		base32.StdEncoding.EncodeToString(key)[:48]}
}

// nowhere looks for words in files and in all files below directories.
func (w *world) nowhere(words []string, places ...string) {
	w.Helper()
	looked := 0
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			text, err := io.ReadAll(f)
			for _, word := range words {
				if strings.Contains(string(text), word) {
					w.Errorf("%s has a word in it that belongs nowhere (%d bytes, %.4q…)", path, len(word), word)
				}
			}
			looked++
			return err
		})
		if err != nil {
			w.Fatal(err)
		}
	}
	if looked == 0 {
		w.Error("there was nothing to look at")
	}
}

// silentLog: a device goes somewhere, a visitor comes, and the log knows of
// neither.
func silentLog(w *world, address string) {
	if _, ok := w.curl("phone", 30, "http://203.0.113.80/ip"); !ok {
		w.Fatal("the phone does not get out")
	}
	w.visit("http://"+address+"/", "This is the nas.", time.Minute)
	friend := w.must("friend", "tunic", "address", "home")
	_, _ = w.curl("phone", 5, "http://"+friend+"/") // nobody answers there, and nobody writes it down
	phone, err := net.ResolveIPAddr("ip4", phone4)
	if err != nil {
		w.Fatal(err)
	}
	w.nowhere([]string{"203.0.113.80", phone.String(), strings.TrimSuffix(friend, ".onion"), "fc00:dead:beef"},
		w.lab.LogFile("tunic-gateway"))
}
