//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab"
)

// phone is one of the household's that is somewhere in the internet, with a tor of its
// own, which has the line that `tunic away add` printed.
type phone struct {
	*visitor
	added struct {
		api.Phone
		SecretKey string `json:"secret_key"`
	}
	ca string // the file by which it knows the house
}

// addPhone is `tunic away add`; the phone has no tor yet.
func (w *world) addPhone(name, user, ca string) *phone {
	w.Helper()
	p := &phone{ca: ca}
	said := w.must("gateway", "tunic", "away", "add", name, "--user", user, "--json")
	if err := json.Unmarshal([]byte(said), &p.added); err != nil || p.added.SecretKey == "" || p.added.Address == "" {
		w.Fatalf("tunic away add said %q, %v", said, err)
	}
	return p
}

// key is the key line as a visitor's tor takes it.
func (p *phone) key() map[string]string { return map[string]string{p.added.Address: p.added.SecretKey} }

// in is the phone in a part of the test.
func (p *phone) in(w *world) *phone {
	sub := *p
	sub.visitor = p.visitor.in(w)
	return &sub
}

// curl runs curl through the phone's tor, with the house's certificate and no other.
func (p *phone) curl(limit int, more ...string) lab.Result {
	p.Helper()
	return p.exec(lab.InternetNode, p.args(limit, append([]string{"--cacert", p.ca, "--capath", "/nonexistent"}, more...)...)...)
}

// inbox is the address of the phone's mailbox, by the name of its onion.
func (p *phone) inbox() string { return "imaps://" + p.added.Address + "/INBOX" }

// mailboxes lists the folders as its user would.
func (p *phone) mailboxes(limit int, user, password string) lab.Result {
	p.Helper()
	return p.curl(limit, "-u", user+":"+password, "imaps://"+p.added.Address+"/")
}

// untilLogsIn waits for the first log-in to the mailbox.
func (p *phone) untilLogsIn(user, password string) {
	p.Helper()
	var last lab.Result
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		if last = p.mailboxes(15, user, password); last.Code == 0 {
			p.timed(p.name+"'s first log-in from outside", time.Since(begin))
			return
		}
		p.pause(100 * time.Millisecond)
	}
	p.Fatalf("%s cannot log in: status %d, %s; its tor said:\n%s", p.name, last.Code, last.Stderr, tail(p.log(), 60))
}

// stays opens the mailbox and keeps it open; ended is closed when it is cut.
func (p *phone) stays() (ended chan struct{}) {
	p.Helper()
	// It says nothing after the greeting, as a phone that waits: nobody writes to the pipe.
	script := fmt.Sprintf("mkfifo %[1]s && exec torsocks -P %[2]d openssl s_client -quiet -connect %[3]s:993 -servername %[3]s <>%[1]s",
		filepath.Join(p.dir, "nothing"), p.port, p.added.Address)
	cmd, err := p.lab.Command(p.ctx, lab.InternetNode, "sh", "-c", script)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.Fatal(err)
	}
	ended = make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	p.eventually(p.name+"'s mailbox is open", 30*time.Second, func() bool { return p.open() > 0 })
	return ended
}

// open is how many streams of it the box has.
func (p *phone) open() int {
	p.Helper()
	for _, one := range p.status().Phones {
		if one.Name == p.added.Name {
			return one.Active
		}
	}
	return 0
}

// isCut removes the phone, which has something open: that ends.
func (p *phone) isCut() (begin time.Time) {
	p.Helper()
	ended := p.stays()
	begin = time.Now()
	p.must("gateway", "tunic", "away", "remove", p.added.Name)
	p.timed("the command", time.Since(begin))
	select {
	case <-ended:
		p.timed("what it had open was cut", time.Since(begin))
	case <-time.After(time.Until(begin.Add(shutOut))):
		p.Errorf("what %s had open goes on after %v", p.name, shutOut)
	}
	return begin
}

// isRefused tries to log in with the right password, after the phone was removed.
func (p *phone) isRefused(begin time.Time, user, password string) {
	p.Helper()
	if r := p.mailboxes(8, user, password); r.Code == 0 {
		p.Errorf("%s logs in %v after it was removed", p.name, time.Since(begin))
	} else {
		p.timed(fmt.Sprintf("refused (curl: %d)", r.Code), time.Since(begin))
	}
}

// mailFor has the box keep mail for a user, for a part that does not need more; end takes
// both away.
func (w *world) mailFor(user string) (ca string, end func()) {
	w.Helper()
	file := filepath.Join(w.paths().EndpointDir(), "smtp.toml")
	w.write(file, "")
	w.must("gateway", "sh", "-c", "echo "+shellQuote(mailPassword)+" | tunic user add "+user)
	w.must("gateway", "tunic", "reload")
	ca = filepath.Join(w.TempDir(), "ca.crt")
	w.write(ca, w.must("gateway", "tunic", "ca")+"\n")
	return ca, func() {
		w.remove(file)
		w.must("gateway", "tunic", "user", "remove", user)
		w.must("gateway", "tunic", "reload")
	}
}

// testAway: phones of the household read mail, send and chat from the internet by real
// programs, and are shut out one by one.
func testAway(w *world) {
	a, b := w.mailBoxes()
	w.talkers(a, b)
	ca := a.authority(w)
	first, second := w.addPhone("annphone", a.user, ca), w.addPhone("anntablet", a.user, ca)
	defer w.exec("gateway", "tunic", "away", "remove", "annphone")
	defer w.must("gateway", "tunic", "away", "remove", "anntablet")
	all := w.visitors(map[string]map[string]string{"first": first.key(), "second": second.key(),
		"thief": {first.added.Address: second.added.SecretKey}})
	first.visitor, second.visitor = all["first"], all["second"]
	thief := &phone{visitor: all["thief"], added: first.added, ca: ca}
	first.untilLogsIn(a.user, mailPassword)
	second.untilLogsIn(a.user, mailPassword)
	w.run("what is printed", func(w *world) { phonesAreListed(w, first, second) })
	w.run("the certificate", func(w *world) { certificateOfPhone(w, first.in(w), second) })
	w.run("mail", func(w *world) { mailFromOutside(w, first.in(w), a) })
	w.run("chat", func(w *world) { chatFromOutside(w, first.in(w), a) })
	w.run("a file", func(w *world) { fileFromOutside(w, first.in(w), a) })
	w.run("another phone's key", func(w *world) { wrongKey(w, thief.in(w)) })
	w.run("a device at home that knows the onion", func(w *world) { phoneAtHome(w, first.in(w), a) })
	w.run("wrong passwords", func(w *world) { guessedFromOutside(w, first.in(w), second.in(w), a) })
	w.run("removed", func(w *world) {
		first := first.in(w)
		first.isRefused(first.isCut(), a.user, mailPassword)
		if r := second.in(w).mailboxes(20, a.user, mailPassword); r.Code != 0 {
			w.Errorf("the other phone: status %d, %s", r.Code, r.Stderr)
		}
	})
	w.run("a user who is gone", func(w *world) { userIsGone(w, second.in(w)) })
}

// phonesAreListed: people see which phones there are, and what is to be typed.
func phonesAreListed(w *world, phones ...*phone) {
	list := w.must("gateway", "tunic", "away")
	for _, p := range phones {
		if want := p.added.Name + ": of " + p.added.User + ", mail and chat at " + p.added.Address; !strings.Contains(list, want) {
			w.Errorf("%q is missing in\n%s", want, list)
		}
	}
	r := w.exec("gateway", "tunic", "away", "add", "annphone", "--user", "ann")
	if r.Code != 2 || !strings.Contains(r.Stderr, "tunic away remove annphone") {
		w.Errorf("a second one of that name: %d, %s", r.Code, r.Stderr)
	}
	if r := w.exec("gateway", "tunic", "unpublish", "away-annphone", "--forget-key", "--yes"); r.Code != 2 {
		w.Errorf("a phone's onion is unpublished: %d, %s", r.Code, r.Stderr)
	}
}

// certificateOfPhone: the servers show a certificate of the house with both names of the
// phone's onion, and with no other phone's.
func certificateOfPhone(w *world, p, other *phone) {
	for _, port := range []string{"993", "587", "5281"} {
		for _, name := range []string{p.added.Address, strings.TrimSuffix(p.added.Address, ".onion") + ".peer.home.arpa"} {
			starttls := ""
			if port == "587" {
				starttls = "-starttls smtp"
			}
			r := p.exec(lab.InternetNode, "sh", "-c", fmt.Sprintf("echo | torsocks -P %d openssl s_client -connect %s:%s %s "+
				"-servername %[5]s -verify_hostname %[5]s -CAfile %[6]s -no-CApath -no-CAstore -verify_return_error",
				p.port, p.added.Address, port, starttls, name, p.ca))
			if r.Code != 0 || !strings.Contains(r.Stdout, "Verify return code: 0 (ok)") {
				w.Errorf("port %s by %s: %d\n%s%s", port, name, r.Code, r.Stdout, r.Stderr)
			}
		}
	}
	text := p.exec(lab.InternetNode, "sh", "-c", fmt.Sprintf("echo | torsocks -P %d openssl s_client -connect %s:993 -servername %s | "+
		"openssl x509 -noout -ext subjectAltName", p.port, p.added.Address, p.added.Address)).Stdout
	if !strings.Contains(text, p.added.Address) || strings.Contains(text, other.added.Address) {
		w.Errorf("the certificate is for %q", text)
	}
}

// mailFromOutside sends a mail to its own user, and reads it.
func mailFromOutside(w *world, p *phone, box postBox) {
	w.clear(box)
	text := filepath.Join(w.TempDir(), "mail")
	if err := os.WriteFile(text, []byte("From: "+p.added.Login+"\r\nTo: "+p.added.Login+"\r\nSubject: away\r\n\r\nFrom the train.\r\n"),
		0o644); err != nil {
		w.Fatal(err)
	}
	begin := time.Now()
	if r := p.curl(40, "--ssl-reqd", "-u", box.user+":"+mailPassword, "--mail-from", p.added.Login, "--mail-rcpt", p.added.Login,
		"-T", text, "smtp://"+p.added.Address+":587"); r.Code != 0 {
		w.Fatalf("sending: status %d, %s", r.Code, r.Stderr)
	}
	w.timed("sent by submission", time.Since(begin))
	w.eventually("the mail is read from outside", 30*time.Second, func() bool {
		return strings.Contains(p.curl(20, "-u", box.user+":"+mailPassword, p.inbox()+";MAILINDEX=1").Stdout, "From the train.")
	})
	if r := p.mailboxes(20, box.user, "wrong"); r.Code != curlLogin {
		w.Errorf("a wrong password: status %d, %s", r.Code, r.Stderr)
	}
}

// chats writes a word to its own user. go-sendxmpp verifies the name of the user's address,
// as chat programs do (RFC 6120, 13.7.2). It knows no SOCKS, so socat stands between it
// and tor.
func (p *phone) chats(word, password string) lab.Result {
	p.Helper()
	return p.exec(lab.InternetNode, "sh", "-c", fmt.Sprintf("socat TCP-LISTEN:15222,bind=127.0.0.1,reuseaddr "+
		"SOCKS4A:127.0.0.1:%s:5222,socksport=%d & sleep 0.3; echo %s | env SSL_CERT_FILE=%s SSL_CERT_DIR=/nonexistent "+
		"timeout 30 go-sendxmpp -u %s -p %s -j 127.0.0.1:15222 --timeout 20 %s; code=$?; kill $! 2>/dev/null; exit $code",
		p.added.Address, p.port, shellQuote(word), p.ca, p.added.Login, shellQuote(password), p.added.Login))
}

// chatFromOutside: what is written outside is read at home.
func chatFromOutside(w *world, p *phone, box postBox) {
	home := w.listen(box, "ann-at-home")
	defer home.end()
	w.eventually("who is at home listens", 30*time.Second, home.Alive)
	begin := time.Now()
	w.eventually("a message from outside arrives", time.Minute, func() bool {
		if r := p.chats("from the train", mailPassword); r.Code != 0 {
			w.Logf("go-sendxmpp: %d, %s%s", r.Code, r.Stdout, r.Stderr)
		}
		log, _ := os.ReadFile(w.lab.LogFile("ann-at-home"))
		return strings.Contains(string(log), "from the train")
	})
	w.timed("a message from outside", time.Since(begin))
}

// fileFromOutside: what is asked of the port for shared files is the server for them, by
// the name that is in their addresses.
func fileFromOutside(w *world, p *phone, box postBox) {
	domain := box.key + ".peer.home.arpa"
	r := p.curl(30, "-o", "/dev/null", "-w", "%{http_code}", "--connect-to", domain+":5281:"+p.added.Address+":5281",
		"https://"+domain+":5281/file_share/none")
	if r.Code != 0 || r.Stdout != "404" {
		w.Errorf("a file that is not there: status %d, %q, %s", r.Code, r.Stdout, r.Stderr)
	}
}

// phoneAtHome: by a phone's onion a device of the house reaches the box itself, and is not the
// phone, to which limits and wrong passwords would count.
func phoneAtHome(w *world, p *phone, box postBox) {
	name := strings.TrimSuffix(p.added.Address, ".onion") + config.PeerDomain
	for _, name := range []string{name, p.added.Address} {
		if said := w.must(box.laptop, "dig", "+short", "+time=10", name, "A"); strings.TrimSpace(said) != box.addr {
			w.Errorf("at home %s is %q, not %s", name, said, box.addr)
		}
		if said, ok := w.curl(box.laptop, 20, "--socks5-hostname", box.addr+":9050", "-k", "https://"+name+":5281/"); ok {
			w.Errorf("a device reaches %s by SOCKS: %s", name, said)
		}
	}
	begin := time.Now()
	said, ok := w.curl(box.laptop, 20, "--cacert", p.ca, "--capath", "/nonexistent", "-u", box.user+":"+mailPassword, "imaps://"+name+"/")
	if !ok {
		w.Errorf("a log-in at home by the phone's onion: %s", said)
	}
	w.timed("a log-in at home by the phone's onion", time.Since(begin))
	if n := p.open(); n != 0 {
		w.Errorf("the phone has %d streams, and the laptop was there alone", n)
	}
}

// badKey is what tor tells a program whose key does not open the descriptor (tor(1),
// ExtendedErrors: X'F5').
const badKey = "(245)"

// wrongKey: who has the address, and another's key, does not find it.
func wrongKey(w *world, p *phone) {
	r := p.mailboxes(30, "ann", mailPassword)
	if r.Code == 0 || !strings.Contains(r.Stderr, badKey) {
		w.Errorf("with another's key: status %d, %s", r.Code, r.Stderr)
	}
}

// guessedFromOutside: who guesses passwords by one phone has to wait there, and the other
// phone of the same user goes on.
func guessedFromOutside(w *world, p, other *phone, box postBox) {
	text := filepath.Join(w.TempDir(), "mail")
	if err := os.WriteFile(text, []byte("From: "+p.added.Login+"\r\nSubject: x\r\n\r\nx\r\n"), 0o644); err != nil {
		w.Fatal(err)
	}
	submit := func(p *phone, password string) lab.Result {
		return p.curl(40, "-v", "--ssl-reqd", "-u", box.user+":"+password, "--mail-from", p.added.Login, "--mail-rcpt", p.added.Login,
			"-T", text, "smtp://"+p.added.Address+":587")
	}
	for range 11 {
		if r := submit(p, "wrong"); r.Code == 0 {
			w.Fatal("a wrong password is taken")
		}
	}
	if r := submit(p, mailPassword); r.Code == 0 || !strings.Contains(r.Stderr, "454") {
		w.Errorf("after 11 wrong passwords: status %d, %s", r.Code, r.Stderr)
	}
	if r := submit(other, mailPassword); r.Code != 0 {
		w.Errorf("the other phone: status %d, %s", r.Code, r.Stderr)
	}
	for range 11 {
		if r := p.chats("x", "wrong"); r.Code == 0 {
			w.Fatal("a wrong password is taken by the chat server")
		}
	}
	if r := p.chats("x", mailPassword); r.Code == 0 {
		w.Error("after 11 wrong passwords the chat server takes the right one")
	}
	if r := other.chats("x", mailPassword); r.Code != 0 {
		w.Errorf("the other phone chats: status %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// userIsGone: a phone of nobody is shut out, says so, and is back with its user.
func userIsGone(w *world, p *phone) {
	w.must("gateway", "sh", "-c", "echo "+shellQuote(mailPassword)+" | tunic user add carl")
	defer w.exec("gateway", "tunic", "user", "remove", "carl")
	path := filepath.Join(w.paths().PhoneDir(), p.added.Name+".toml")
	text := w.must("gateway", "cat", path)
	w.write(path, strings.Replace(text, `"ann"`, `"carl"`, 1)+"\n")
	w.must("gateway", "tunic", "reload")
	begin := time.Now()
	w.must("gateway", "tunic", "user", "remove", "carl")
	if list := w.must("gateway", "tunic", "away"); !strings.Contains(list, p.added.Name+": of carl, shut out") {
		w.Errorf("a phone of nobody: %s", list)
	}
	if r := p.mailboxes(8, "ann", mailPassword); r.Code == 0 {
		w.Errorf("a phone of nobody logs in %v after", time.Since(begin))
	}
	w.write(path, text+"\n")
	w.must("gateway", "tunic", "reload")
	p.newNym()
	p.untilLogsIn("ann", mailPassword)
}

// phoneComesAndGoes: a phone reads mail by its onion, which has the right name in its
// certificate, and is cut.
func phoneComesAndGoes(w *world, p *phone) time.Time {
	p.untilLogsIn("ann", mailPassword)
	return p.isCut()
}
