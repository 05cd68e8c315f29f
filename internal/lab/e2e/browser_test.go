//go:build lab

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/internal/lab"
)

// browserVariable has the part `browser` run: see `make browser`.
const browserVariable = "TUNIC_BROWSER"

// browserSource are the programs that drive chromium, with what `npm ci` has put there.
const browserSource = "../browser"

// stepLimit is how long a step may take: a survey goes around a page four times.
const stepLimit = 3 * time.Minute

// chromium is a browser on a device of a house, driven by internal/lab/browser. It runs
// as nobody, whose home has what the browser trusts.
type chromium struct {
	*world
	device  string
	home    string
	steps   io.WriteCloser
	answers *bufio.Reader
	cmd     *exec.Cmd
	ended   bool
}

// seenPage is what somebody sees.
type seenPage struct {
	URL, Language, Title, Text string
	Status                     int
	Alert                      string
}

// nobody is whom browsers run as.
const nobody = 65534

// browserHome makes a home for browsers on a device, with the programs that drive them.
func (w *world) browserHome(device string) string {
	w.Helper()
	if _, err := os.Stat(filepath.Join(browserSource, "node_modules")); err != nil {
		w.Fatalf("%v: `make browser` installs what drives the browser", err)
	}
	home, err := os.MkdirTemp("", "tunic-"+labID+"-"+device)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { os.RemoveAll(home) })
	if err := errors.Join(os.CopyFS(filepath.Join(home, "browser"), os.DirFS(browserSource)), os.Chmod(home, 0o755)); err != nil {
		w.Fatal(err)
	}
	for _, dir := range []string{".pki", ".pki/nssdb", "tmp", "pictures"} {
		if err := errors.Join(os.Mkdir(filepath.Join(home, dir), 0o755), os.Chown(filepath.Join(home, dir), nobody, nobody)); err != nil {
			w.Fatal(err)
		}
	}
	w.certutil(home, "-N", "--empty-password")
	return home
}

// certutil changes what browsers with a home trust. It would ask for passwords for ever.
func (w *world) certutil(home string, args ...string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "certutil", append([]string{"-d", "sql:" + filepath.Join(home, ".pki/nssdb")}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := cmd.Run(); err != nil {
		w.Fatalf("certutil %v: %v", args, err)
	}
}

// trusts installs the certificate of a house, as its page says how.
func (w *world) trusts(home, gateway string) {
	w.Helper()
	file := filepath.Join(home, "house.crt")
	w.write(file, w.must(gateway, "tunic", "ca")+"\n")
	w.certutil(home, "-A", "-n", "house", "-t", "C,,", "-i", file)
}

// chromium starts a browser on a device. Where box's certificate is from a test and from
// no house it is a strange one.
func (w *world) chromium(device, home, box string, strange bool) *chromium {
	w.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		w.Fatal(err)
	}
	with, err := json.Marshal(map[string]any{"program": program, "box": box, "strange": strange})
	if err != nil {
		w.Fatal(err)
	}
	cmd, err := w.lab.Command(w.ctx, device, "setpriv", "--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups",
		"--no-new-privs", "env", "HOME="+home, "TMPDIR="+filepath.Join(home, "tmp"),
		"node", filepath.Join(home, "browser/main.mjs"), string(with))
	if err != nil {
		w.Fatal(err)
	}
	c := &chromium{world: w, device: device, home: home, cmd: cmd}
	c.start()
	w.Cleanup(c.end)
	return c
}

func (c *chromium) start() {
	c.Helper()
	var err error
	if c.steps, err = c.cmd.StdinPipe(); err != nil {
		c.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	c.answers = bufio.NewReader(out)
	c.cmd.Stderr = c.Output()
	c.cmd.Cancel = func() error { return c.steps.Close() } // node then ends chromium
	c.cmd.WaitDelay = 10 * time.Second
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
}

// end closes the browser. What it leaves behind ends with the lab.
func (c *chromium) end() {
	if c.ended {
		return
	}
	c.ended = true
	c.steps.Close()
	late := time.AfterFunc(20*time.Second, func() { c.cmd.Process.Kill() })
	defer late.Stop()
	if err := c.cmd.Wait(); err != nil {
		c.Errorf("the browser on the %s: %v", c.device, err)
	}
}

// try does a step, and fills answer if it is not nil. Its error is what went wrong in
// the browser.
func (c *chromium) try(step string, question map[string]any, answer any) error {
	c.Helper()
	all := map[string]any{"step": step}
	for name, value := range question {
		all[name] = value
	}
	late := time.AfterFunc(stepLimit, func() { c.cmd.Process.Kill() })
	defer late.Stop()
	if err := json.NewEncoder(c.steps).Encode(all); err != nil {
		c.Fatalf("%s: %v", step, err)
	}
	line, err := c.answers.ReadBytes('\n')
	if err != nil {
		c.Fatalf("%s: the browser on the %s has ended: %v", step, c.device, err)
	}
	var got struct {
		Show  json.RawMessage
		Error string
	}
	if err := json.Unmarshal(line, &got); err != nil {
		c.Fatalf("%s: %v: %s", step, err, line)
	}
	if got.Error != "" {
		return errors.New(got.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got.Show, answer)
}

// ask is try for a step that has to work.
func (c *chromium) ask(step string, question map[string]any, answer any) {
	c.Helper()
	if err := c.try(step, question, answer); err != nil {
		c.Fatalf("%s %v: %v", step, question, err)
	}
}

// see is a step after which somebody sees a page.
func (c *chromium) see(step string, question map[string]any) (p seenPage) {
	c.Helper()
	c.ask(step, question, &p)
	return p
}

// open is a page of the box, or of another place.
func (c *chromium) open(who, to string) seenPage {
	c.Helper()
	return c.see("open", map[string]any{"who": who, "url": to})
}

// send fills a form in, and wants words among what the page says then.
func (c *chromium) send(want string, question map[string]any) seenPage {
	c.Helper()
	p := c.see("send", question)
	if !strings.Contains(p.Alert, want) {
		c.Fatalf("%v: %d, the page says %q, and not %q:\n%s", question, p.Status, p.Alert, want, p.Text)
	}
	return p
}

// login lets somebody in.
func (c *chromium) login(who string, keys bool) {
	c.Helper()
	p := c.see("login", map[string]any{"who": who, "password": bobsPassword, "keys": keys})
	if !strings.Contains(p.Text, "Log out "+who) {
		c.Fatalf("%s is not logged in: %d\n%s", who, p.Status, p.Text)
	}
}

// onlyTheBox fails if a page has asked anybody but those that are named for anything, if
// a script has run that asks something, or if chromium has complained.
func (c *chromium) onlyTheBox(hosts ...string) {
	c.Helper()
	var heard struct {
		Requests []struct{ Method, URL string }
		Problems []string
	}
	c.ask("heard", nil, &heard)
	for _, r := range heard.Requests {
		u, err := url.Parse(r.URL)
		if err != nil || !slices.Contains(hosts, u.Hostname()) {
			c.Errorf("a page has asked for %s %s", r.Method, r.URL)
		}
	}
	if len(heard.Requests) == 0 {
		c.Error("no request was seen: is the test listening?")
	}
	for _, p := range heard.Problems {
		c.Error(p)
	}
}

// sentElsewhere are the packets of a device since a moment that go neither to its box nor
// to the house's neighbours, and the questions for names that are not the box's.
func (w *world) sentElsewhere(c *lab.Capture, since lab.Mark, mac, box string) (lines []string) {
	w.Helper()
	own := "ether src " + mac + " and not ether multicast"
	lines = c.MustLines(w, since, own+" and not ("+box+") and not arp and not icmp6")
	for _, line := range c.MustLines(w, since, own+" and udp dst port 53") {
		if !strings.Contains(line, "box.home.arpa") {
			lines = append(lines, line)
		}
	}
	return lines
}
