//go:build lab

package e2e

import (
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tunic/internal/lab"
)

const (
	bobsPassword = "tall order of chips"
	imapBox      = "imaps://box.home.arpa/"
)

// testMail reads mail from a device of the household as people do: over TLS by
// the box's name, with the certificate that `tunic ca` prints.
func testMail(w *world) {
	w.write(filepath.Join(w.paths().EndpointDir(), "smtp.toml"), "quota = 50\n")
	w.must("gateway", "sh", "-c", "echo '"+bobsPassword+"' | tunic user add bob")
	w.must("gateway", "tunic", "reload")
	w.ready()
	root := filepath.Join(w.TempDir(), "ca.crt")
	if err := os.WriteFile(root, []byte(w.must("gateway", "tunic", "ca")+"\n"), 0o644); err != nil {
		w.Fatal(err)
	}
	m := mailbox{w, root}
	defer m.gone()
	w.run("certificate", func(w *world) { mailbox{w, root}.certificate() })
	w.run("logging in", func(w *world) { mailbox{w, root}.logIn() })
	w.run("reading", func(w *world) { mailbox{w, root}.read() })
	w.run("setting up", func(w *world) { mailbox{w, root}.setUp() })
	w.run("ports", func(w *world) { mailbox{w, root}.ports() })
	w.run("killed", func(w *world) { mailbox{w, root}.killed() })
}

// mailbox is bob's, with the file that devices know the box by.
type mailbox struct {
	*world
	root string
}

// imap asks for a URL as bob.
func (m mailbox) imap(password, url string, more ...string) lab.Result {
	m.Helper()
	args := []string{"curl", "-sS", "-m", "40", "--cacert", m.root, "--capath", "/nonexistent", "-u", "bob:" + password}
	return m.exec("laptop", append(append(args, more...), url)...)
}

// What curl's exit status says.
const (
	curlTLS   = 60 // the certificate is refused
	curlLogin = 67 // the login is denied
)

func (m mailbox) certificate() {
	for what, c := range map[string]struct {
		url  string
		more []string
		want int
	}{
		"by its name":                 {imapBox, nil, 0},
		"over IPv6":                   {imapBox, []string{"-6"}, 0},
		"without the certificate":     {imapBox, []string{"--cacert", "/etc/ssl/certs/ca-certificates.crt"}, curlTLS},
		"by its address":              {"imaps://" + box4 + "/", nil, curlTLS},
		"by a name that is not there": {"imaps://www.example.org/", []string{"--connect-to", "::" + box4 + ":993"}, curlTLS},
	} {
		if r := m.imap(bobsPassword, c.url, c.more...); r.Code != c.want {
			m.Errorf("%s: status %d, want %d: %s", what, r.Code, c.want, r.Stderr)
		}
	}
	out := m.exec("laptop", "sh", "-c", "echo | openssl s_client -connect "+box4+":993 -servername box.home.arpa -CAfile "+m.root+
		" -no-CApath -no-CAstore -verify_return_error -verify_hostname box.home.arpa")
	if out.Code != 0 || !strings.Contains(out.Stdout, "Verify return code: 0 (ok)") {
		m.Errorf("openssl ended with %d:\n%s%s", out.Code, out.Stdout, out.Stderr)
	}
}

func (m mailbox) logIn() {
	r := m.imap(bobsPassword, imapBox)
	for _, want := range []string{`\Drafts) "/" Drafts`, `\Sent) "/" Sent`, `\Trash) "/" Trash`, `\Junk) "/" Junk`} {
		if !strings.Contains(r.Stdout, want) {
			m.Errorf("the folders have no %s:\n%s", want, r.Stdout)
		}
	}
	m.must("gateway", "sh", "-c", "echo 'another order of chips' | tunic user passwd bob")
	m.eventually("another password is taken", 30*time.Second, func() bool { return m.imap("another order of chips", imapBox).Code == 0 })
	if r := m.imap(bobsPassword, imapBox); r.Code != curlLogin {
		m.Errorf("the old password: status %d: %s", r.Code, r.Stderr)
	}
	m.must("gateway", "sh", "-c", "echo '"+bobsPassword+"' | tunic user passwd bob")
	m.back("the first password is taken again")
}

// back waits until bob can log in.
func (m mailbox) back(what string) {
	m.Helper()
	m.timed(what, m.eventually(what, 60*time.Second, func() bool { return m.imap(bobsPassword, imapBox).Code == 0 }))
}

// read puts a mail where serve's user delivers, and reads it.
func (m mailbox) read() {
	u, err := user.Lookup("tunic")
	if err != nil {
		m.Fatal(err)
	}
	g, err := user.LookupGroup("tunic-mail") // serve's group
	if err != nil {
		m.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(g.Gid)
	path := filepath.Join(m.paths().Mail(), "bob/Maildir/new/1790000000.x.tunic")
	err = os.WriteFile(path, []byte("From: alice\r\nSubject: hello\r\n\r\nAre you there?\r\n"), 0o600)
	if err == nil {
		err = os.Chown(path, uid, gid)
	}
	if err == nil {
		err = os.Chmod(path, 0o660)
	}
	if err != nil {
		m.Fatal(err)
	}
	m.eventually("the mail is read", 30*time.Second, func() bool {
		return strings.Contains(m.imap(bobsPassword, imapBox+"INBOX;MAILINDEX=1").Stdout, "Are you there?")
	})
	sent := filepath.Join(m.TempDir(), "sent")
	if err := os.WriteFile(sent, []byte("From: bob\r\nSubject: I am\r\n\r\nHere.\r\n"), 0o644); err != nil {
		m.Fatal(err)
	}
	if r := m.imap(bobsPassword, imapBox+"Sent", "-T", sent); r.Code != 0 {
		m.Errorf("filing in Sent: status %d: %s", r.Code, r.Stderr)
	}
	if files, _ := filepath.Glob(filepath.Join(m.paths().Mail(), "bob/Maildir/.Sent/*/*")); len(files) != 1 {
		m.Errorf("in .Sent are %q", files)
	}
}

// setUp: mail programs find the servers by the address alone, people find the
// certificate, and nobody outside is asked.
func (m mailbox) setUp() {
	domain := strings.TrimSuffix(m.must("gateway", "tunic", "address", "home"), ".onion") + ".peer.home.arpa"
	if got, ok := m.curl("laptop", 20, "http://autoconfig."+domain+"/mail/config-v1.1.xml?emailaddress=bob@"+domain); !ok ||
		!strings.Contains(got, "<domain>"+domain+"</domain>") || !strings.Contains(got, "<port>993</port>") {
		m.Errorf("Thunderbird is told %q", got)
	}
	if got, ok := m.curl("laptop", 20, "http://setup.box.home.arpa/ca.crt"); !ok || got != m.must("gateway", "tunic", "ca") {
		m.Errorf("the certificate is %q", got)
	}
	if got, ok := m.curl("laptop", 20, "http://setup.box.home.arpa/apple/bob.mobileconfig"); !ok ||
		!strings.Contains(got, "<string>bob@"+domain+"</string>") {
		m.Errorf("Apple's devices are told %q", got)
	}
	for name, want := range map[string]string{"_imaps._tcp." + domain: "0 1 993 box.home.arpa.",
		"_submission._tcp." + domain: "0 1 587 box.home.arpa.", "_pop3._tcp." + domain: "0 0 0 ."} {
		if got := m.must("laptop", "dig", "+short", "+time=10", name, "SRV"); got != want {
			m.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := m.must("laptop", "dig", "+noall", "+comments", "+time=10", "autoconfig.thunderbird.net"); !strings.Contains(got, "NXDOMAIN") {
		m.Errorf("Thunderbird's makers are asked:\n%s", got)
	}
	if m.exec("friend-laptop", "curl", "-s", "-m", "8", "http://"+setup4(m.world)+"/ca.crt").Code == 0 {
		m.Error("the friend's laptop reaches the pages")
	}
}

// setup4 is the address of the pages.
func setup4(w *world) string { return w.ranges().Virtual4.Masked().Addr().Next().String() }

// reaches prints the ports of mail at which something of the box answers, all
// asked at a time: a connection alone says nothing where tor accepts them.
const reaches = `for at in "$@"; do
  (echo | timeout 8 openssl s_client -connect "$at:993" 2>/dev/null | grep -q BEGIN && echo "$at:993") &
  (echo | timeout 8 openssl s_client -connect "$at:9393" 2>/dev/null | grep -q BEGIN && echo "$at:9393") &
  (printf 'PROXY UNKNOWN\r\n'; sleep 4) | (timeout 6 nc $(echo "$at" | tr -d '[]') 9394 2>/dev/null | grep -q OK && echo "$at:9394") &
done; wait`

// ports: nobody outside the household reaches any of the ports of mail, and
// nobody in it the inner ones.
func (m mailbox) ports() {
	six4, six6 := "["+box6+"]", "["+wan6+"]"
	asked := map[string][]string{lab.InternetNode: {wan4, six6}, "friend": {wan4, six6}, "friend-laptop": {box4, six4, wan4, six6},
		"laptop": {box4, six4}, "gateway": {"127.0.0.1"}}
	// these show that the script sees what is there
	want := map[string][]string{"laptop": {box4 + ":993", six4 + ":993"}, "gateway": {"127.0.0.1:9394"}}
	var all sync.WaitGroup
	for node, hosts := range asked {
		all.Go(func() {
			r, err := m.lab.Exec(m.ctx, node, append([]string{"sh", "-c", reaches, "sh"}, hosts...)...)
			got := slices.Sorted(slices.Values(strings.Fields(r.Stdout)))
			if err != nil || !slices.Equal(got, want[node]) {
				m.Errorf("%s reaches %v, want %v (%v)", node, got, want[node], err)
			}
		})
	}
	all.Wait()
	for _, line := range strings.Split(m.must("gateway", "ss", "-Hltnp"), "\n") {
		fields := strings.Fields(line)
		if strings.Contains(line, "dovecot") {
			if at, err := netip.ParseAddrPort(fields[3]); err != nil || !at.Addr().IsLoopback() {
				m.Errorf("dovecot listens at %s", fields[3])
			}
		}
	}
}

func (m mailbox) killed() {
	if n := m.signal(syscall.SIGKILL, "dovecot", "-F"); n != 1 {
		m.Fatalf("%d processes are dovecot's first", n)
	}
	m.back("dovecot killed to the next login")
	m.eventually("status says that dovecot runs again", 20*time.Second, func() bool {
		s := m.status().Servers
		return len(s) == 1 && s[0].Restarts >= 1 && s[0].Ready
	})
	if log, _ := os.ReadFile(m.lab.LogFile("tunic-gateway")); strings.Contains(string(log), "bob") {
		m.Error("the daemon's log names a user")
	}
	if tail := m.must("gateway", "tunic", "logs", "dovecot"); !strings.Contains(tail, "Login") {
		m.Errorf("tunic logs prints %q", tail)
	}
}

// gone takes mail away again.
func (m mailbox) gone() {
	m.remove(filepath.Join(m.paths().EndpointDir(), "smtp.toml"))
	m.must("gateway", "tunic", "reload")
	m.must("gateway", "tunic", "user", "remove", "bob")
	m.eventually("dovecot has ended", 30*time.Second, func() bool { return len(m.pids("dovecot", "-F")) == 0 })
	if s := m.status(); len(s.Servers) > 0 {
		m.Errorf("status says %+v", s.Servers)
	}
	m.ready()
}
