//go:build lab

package xmpp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/internal/lab/onbox"
)

// TestMain moves the tests into a network namespace that ends with them. The
// test binary is also what confines.
func TestMain(m *testing.M) {
	onbox.Confine()
	const inside = "TUNIC_XMPP_INSIDE"
	if os.Getenv(inside) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bringing up lo: %v: %s\n", err, out)
			os.Exit(1)
		}
		if err := askLiar(); err != nil {
			fmt.Fprintln(os.Stderr, "leading questions of the DNS to the test:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Two boxes on one loopback interface; a SOCKS proxy of the test's stands for tor.
const (
	keyA, keyB  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	hostA       = keyA + ".peer.home.arpa"
	hostB       = keyB + ".peer.home.arpa"
	onionA      = keyA + ".onion"
	onionB      = keyB + ".onion"
	clientPort  = 5222
	serverPort  = 5269
	nobody      = 65534
	bob, alice  = "bob@" + hostB, "alice@" + hostA
	password    = "correct horse battery"
	addrA       = "127.0.0.2"
	addrB       = "127.0.0.3"
	socksPort   = 9250
	arrivalTime = 90 * time.Second // a busy machine; what is measured is logged
)

// box is one Prosody.
type box struct {
	t     *testing.T
	dir   string
	addr  string
	extra string              // more lines of configuration
	edit  func(string) string // changes the configuration, to take a wall away
	conf  Config
	cmd   *exec.Cmd
	log   *os.File
}

func newBox(t *testing.T, addr, host, user string, peer Peer) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "tunic-xmpp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &box{t: t, dir: dir, addr: addr, conf: Config{
		Host: host, Data: dir + "/data", Modules: dir + "/modules", PIDFile: dir + "/pid", Interface: addr,
		ClientPort: clientPort, ServerPort: serverPort, FilesPort: 5280, PublicFilesPort: 5281, SOCKSPort: socksPort,
		Certificate: dir + "/cert.pem", Key: dir + "/key.pem", Peers: []Peer{peer}}}
	b.account(user)
	b.certificate()
	if err := os.CopyFS(dir, Modules); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", fmt.Sprint(nobody), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b.log, err = os.Create(dir + "/log"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.kill()
		if text, _ := os.ReadFile(dir + "/log"); t.Failed() {
			t.Logf("log of %s:\n%s", addr, text)
		}
	})
	return b
}

// account writes a user with the password of all as endpoints.md found that Prosody reads it.
func (b *box) account(user string) {
	b.t.Helper()
	const salt, rounds = "c2FsdHNhbHQ", 10000
	salted, err := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, sha256.Size)
	if err != nil {
		b.t.Fatal(err)
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		io.WriteString(h, text)
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	text := fmt.Sprintf("return { [\"iteration_count\"] = %d; [\"salt\"] = %q; [\"stored_key\"] = %q; [\"server_key\"] = %q; };\n",
		rounds, salt, hex.EncodeToString(stored[:]), hex.EncodeToString(mac("Server Key")))
	dir := filepath.Join(b.conf.Data, strings.ReplaceAll(b.conf.Host, ".", "%2e"), "accounts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, user+".dat"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) certificate() {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{b.conf.Host, Rooms(b.conf.Host), Files(b.conf.Host)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{b.conf.Certificate: {Type: "CERTIFICATE", Bytes: cert},
		b.conf.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *box) start() {
	b.t.Helper()
	path := b.write()
	b.cmd = exec.Command("prosody", "-F", "--config", path)
	b.cmd.Dir, b.cmd.Stdout, b.cmd.Stderr = b.dir, b.log, b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	defer syscall.Umask(syscall.Umask(0o077)) // as of tunic.service; Prosody 13 does not read its own option
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
}

// newest reports whether the Prosody on this machine reads the newest dialect.
func newest(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile(library + "prosody.version")
	if err != nil {
		t.Fatal(err)
	}
	return !strings.HasPrefix(string(text), "0.")
}

func (b *box) write() string {
	b.t.Helper()
	path := b.dir + "/prosody.cfg.lua"
	text := strings.Replace(Render(b.conf, newest(b.t)), "\nVirtualHost", "\n"+b.extra+"\nVirtualHost", 1)
	if b.edit != nil {
		text = b.edit(text)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// kill is kill -9.
func (b *box) kill() {
	if b.cmd != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
		b.cmd = nil
	}
}

func (b *box) reload() { _ = b.cmd.Process.Signal(syscall.SIGHUP) }

// hello is what the daemon does when one of the friends' boxes has come back.
func (b *box) hello(n int) {
	b.t.Helper()
	b.conf.Peers = slices.Clone(b.conf.Peers)
	b.conf.Peers[n].Came += "."
	b.write()
	b.reload()
}

func (b *box) login(user string) *client {
	b.t.Helper()
	return login(b.t, net.JoinHostPort(b.addr, fmt.Sprint(clientPort)), user, b.conf.Host, password)
}

func boxes(t *testing.T) (a, b *box, p *proxy) {
	t.Helper()
	p = startProxy(t)
	a = newBox(t, addrA, hostA, "alice", Peer{Host: hostB, Onion: onionB})
	b = newBox(t, addrB, hostB, "bob", Peer{Host: hostA, Onion: onionA})
	return a, b, p
}

// inOrder wants exactly the messages 1 to n, once each.
func inOrder(t *testing.T, c *client, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		m, ok := c.next(arrivalTime)
		if !ok || m.Body != fmt.Sprint(i) {
			t.Fatalf("message %d is %q (arrived: %v, error: %v)", i, m.Body, ok, m.Error)
		}
		if m.Queued != nil {
			t.Errorf("message %d shows the client our mark", i)
		}
	}
	if m, ok := c.next(2 * time.Second); ok {
		t.Errorf("%q arrived a second time", m.Body)
	}
}

func TestBothThere(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	for i := 1; i <= 5; i++ {
		alices.send(bob, fmt.Sprint(i))
	}
	inOrder(t, bobs, 5)
	bobs.send(alice, "1")
	inOrder(t, alices, 1)
	if left := a.stored(); len(left) != 0 {
		t.Errorf("after the answer there still waits: %v", left)
	}
}

// store is the directory of one of Prosody's stores.
func (b *box) store(name string) string {
	return filepath.Join(b.conf.Data, strings.ReplaceAll(b.conf.Host, ".", "%2e"), name)
}

// listOf is the file of one name in a store.
func (b *box) listOf(store, name string) string {
	return filepath.Join(b.store(store), strings.ReplaceAll(name, ".", "%2e")+".list")
}

// stored lists the queue's files, once they have had time to go.
func (b *box) stored() []string {
	dir := b.store("tunic_queue")
	var left []string
	for range 100 {
		left, _ = filepath.Glob(dir + "/*")
		if len(left) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return left
}

// TestOneIsOff: what is written to a box that is off arrives when it is back,
// although the sender's server is killed in between.
func TestOneIsOff(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	alices := a.login("alice")
	for i := 1; i <= 30; i++ {
		alices.send(bob, fmt.Sprint(i))
	}
	a.waitStored(30)
	a.kill()
	a.start()
	alices = a.login("alice")
	for i := 31; i <= 50; i++ {
		alices.send(bob, fmt.Sprint(i))
	}
	a.waitStored(50)
	b.start()
	bobs := b.login("bob")
	begin := time.Now()
	a.hello(0)
	inOrder(t, bobs, 50)
	t.Logf("50 messages arrived %.1f s after the hello", time.Since(begin).Seconds())
	if m, ok := alices.next(100 * time.Millisecond); ok {
		t.Errorf("alice was told %q, %v", m.Body, m.Error)
	}
}

// A box that is away is dialled less and less often, and at once when it has come back.
func TestLessAndLessOften(t *testing.T) {
	long(t)
	a, b, p := boxes(t)
	a.extra = "tunic_queue_retry = 1"
	a.start()
	alices := a.login("alice")
	alices.send(bob, "1")
	a.waitStored(1)
	time.Sleep(20 * time.Second)
	p.mu.Lock()
	n := p.dials[onionB]
	p.mu.Unlock()
	if n < 2 || n > 8 { // for the message, and after pauses of 0, 1, 2, 4, 8 seconds
		t.Errorf("it was dialled %d times in 20 seconds", n)
	}
	b.start()
	bobs := b.login("bob")
	a.hello(0)
	inOrder(t, bobs, 1)
}

// waitStored waits until so many messages are in the store.
func (b *box) waitStored(n int) {
	b.t.Helper()
	file := b.listOf("tunic_queue", hostB)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(file)
		if strings.Count(string(text), "item(") >= n {
			return
		}
	}
	b.t.Fatalf("%d messages are not in %s", n, file)
}

// TestLinkDies: the messages arrive, but the answer does not; they are sent
// again and dropped on the other side, also after that was killed.
func TestLinkDies(t *testing.T) {
	a, b, p := boxes(t)
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	alices.send(bob, "0")
	if m, ok := bobs.next(arrivalTime); !ok || m.Body != "0" {
		t.Fatalf("the first message: %+v", m)
	}
	if left := a.stored(); len(left) != 0 {
		t.Fatalf("still waiting: %v", left)
	}
	p.setDeaf(true)
	for i := 1; i <= 5; i++ {
		alices.send(bob, fmt.Sprint(i))
	}
	for i := 1; i <= 5; i++ {
		if m, ok := bobs.next(arrivalTime); !ok || m.Body != fmt.Sprint(i) {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
	b.kill()
	p.cut()
	p.setDeaf(false)
	b.start()
	bobs = b.login("bob")
	alices.send(bob, "6")
	a.hello(0)
	m, ok := bobs.next(arrivalTime)
	if !ok || m.Body != "6" {
		t.Errorf("after the link came back there arrived %q, %v", m.Body, ok)
	}
	if left := a.stored(); len(left) != 0 {
		t.Errorf("still waiting: %v", left)
	}
}

// TestGivenBack: what waits too long, and what is too much, is told to the sender.
func TestGivenBack(t *testing.T) {
	a, _, _ := boxes(t)
	a.extra = "tunic_queue_items = 4\ntunic_queue_days = 3 / 86400\ntunic_queue_retry = 1"
	a.start()
	alices := a.login("alice")
	for i := 1; i <= 3; i++ {
		alices.send(bob, fmt.Sprint(i))
	}
	var texts []string
	for range 3 {
		m, ok := alices.next(arrivalTime)
		if !ok || m.Type != "error" || !strings.HasPrefix(m.From, "bob@") {
			t.Fatalf("alice was told %+v", m)
		}
		texts = append(texts, m.Error.Inner)
	}
	if !strings.Contains(texts[0], "resource-constraint") || !strings.Contains(texts[2], "remote-server-timeout") {
		t.Errorf("the errors are %q", texts)
	}
	if left := a.stored(); len(left) != 0 {
		t.Errorf("still waiting: %v", left)
	}
}
