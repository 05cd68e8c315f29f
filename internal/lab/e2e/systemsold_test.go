//go:build lab

package e2e

import (
	"fmt"
	"strings"
	"time"

	"tunic/internal/lab"
)

// idle is longer than tunic waits for an answer to a connection, and than people notice.
const idle = 65 * time.Second

// oldPrograms are those that the network has had for long.
func oldPrograms() []system {
	return []system{
		{"SSH", []string{"openssh-server", "git"}, []string{"22"}, trySSH},
		{"netcat, rlwrap, socat", []string{"netcat-openbsd", "rlwrap", "socat"}, []string{"7777", "7778"}, tryNetcat},
		{"TLS", []string{"openssl", "socat"}, []string{"7443", "7444", "7445", "7446"}, tryTLS},
		{"9P", []string{"diod"}, []string{"5640"}, try9P},
		{"finger", []string{"finger"}, nil, tryFinger},
		{"OpenPGP", []string{"gnupg", "swaks"}, nil, tryOpenPGP},
	}
}

// sshd runs an SSH server on the nas. ssh -F ssh.conf of the system's directory logs in.
func (t *trial) sshd() {
	t.Helper()
	t.file("sshd.conf", fmt.Sprintf("ListenAddress %s:22\nHostKey %s/host\nAuthorizedKeysFile %s/me.pub\nStrictModes no\nUsePAM no\n"+
		"PidFile none\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n", nas4, t.dir, t.dir))
	t.file("ssh.conf", fmt.Sprintf("User root\nIdentityFile %s/me\nUserKnownHostsFile %s/known\nStrictHostKeyChecking accept-new\n",
		t.dir, t.dir))
	t.mustSh("nas", "ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ed25519 -N '' -f me && mkdir -p /run/sshd")
	t.runs("nas", "/usr/sbin/sshd", "-D", "-e", "-f", t.dir+"/sshd.conf")
}

// trySSH: a shell, files and git by the name, with nothing about Tor in any client.
func trySSH(t *trial) {
	t.sshd()
	t.does("`ssh NAME hostname`", func() { t.until("friend-laptop", "shell of the nas", "ssh -F ssh.conf "+svc+" echo shell of the nas") })
	t.does("a session in which nobody types for 65 s", func() {
		r := t.sh("friend-laptop", fmt.Sprintf("(echo first; sleep %d; echo second) | ssh -F ssh.conf -o TCPKeepAlive=no %s cat",
			int(idle.Seconds()), svc))
		if r.Stdout != "first\nsecond\n" {
			t.Errorf("the session said %q, %s", r.Stdout, r.Stderr)
		}
	})
	t.blob("blob", 4)
	t.does("`scp` of 4 MB", func() {
		if r := t.sh("friend-laptop", "scp -q -F ssh.conf "+svc+":"+t.dir+"/blob copy"); r.Code != 0 {
			t.Error(r.Stderr)
		}
		t.same("blob", "copy")
	})
	t.does("`git clone`, commit, `git push`", func() {
		r := t.sh("friend-laptop", `set -e
export GIT_SSH_COMMAND="ssh -F `+t.dir+`/ssh.conf"
export GIT_AUTHOR_NAME=bob GIT_AUTHOR_EMAIL=bob@box GIT_COMMITTER_NAME=bob GIT_COMMITTER_EMAIL=bob@box
git init -q --bare -b main shared.git
git clone -q ssh://`+svc+t.dir+`/shared.git work 2>&1
cd work; echo from bob > hello; git add hello; git commit -q -m hello; git push -q origin HEAD:main
git -C ../shared.git show main:hello`)
		if r.Code != 0 || !strings.HasSuffix(r.Stdout, "from bob\n") {
			t.Errorf("git: status %d, %s%s", r.Code, r.Stdout, r.Stderr)
		}
	})
}

// tryNetcat: two people type to each other, and one of them thinks for a while.
func tryNetcat(t *trial) {
	ann := t.terminal("nas", "nc -l -s "+nas4+" -p 7777")
	bob := t.terminal("friend-laptop", "rlwrap nc "+svc+" 7777")
	t.does("`nc -l` and `rlwrap nc` in two terminals, both ways", func() {
		bob.types("hello from bob")
		ann.shows("hello from bob")
		ann.types("hello from ann")
		bob.shows("hello from ann")
	})
	t.does("the same, after 65 s in which nobody types", func() {
		t.pause(idle)
		ann.types("are you still there?")
		bob.shows("are you still there?")
		bob.types("I am")
		ann.shows("I am")
	})
	t.runs("nas", "socat", "TCP-LISTEN:7778,bind="+nas4+",fork,reuseaddr", "SYSTEM:read q; echo you said $q")
	t.does("`socat - TCP:NAME:PORT`", func() {
		t.until("friend-laptop", "you said hello", "(echo hello; sleep 3) | timeout 30 socat - TCP:"+svc+":7778")
	})
}

// tryTLS: both sides show certificates that their onions' keys have signed, to programs that know of
// nothing but a file with an authority.
func tryTLS(t *trial) {
	home := strings.TrimSuffix(t.must("friend", "tunic", "address", "home"), ".onion")
	for _, line := range []struct{ node, line string }{
		{"gateway", "tunic certificate svc --out server"},
		{"gateway", "tunic anchor bob > bob.pem"},
		{"friend", "tunic certificate home --out client"},
		{"friend", "tunic anchor " + t.key("svc") + " > svc.pem"},
	} {
		t.mustSh(line.node, line.line)
	}
	t.runs("nas", "socat", "OPENSSL-LISTEN:7443,bind="+nas4+",fork,reuseaddr,verify=1,cafile="+t.dir+"/bob.pem,"+
		"cert="+t.dir+"/server/both.pem",
		"SYSTEM:read q; echo $SOCAT_OPENSSL_X509_COMMONNAME says $q")
	socat := func(port, cert, anchor, name string) string {
		return "echo hello | timeout 40 socat -t20 - OPENSSL:" + svc + ":" + port + ",verify=1,cafile=" + anchor + ",cert=" + cert +
			",openssl-commonname=" + name + ".peer.home.arpa 2>&1"
	}
	t.does("`socat` with `verify=1` on both sides; the server knows the friend's KEY", func() {
		t.until("friend-laptop", home+".onion says hello", socat("7443", "client/both.pem", "svc.pem", t.key("svc")))
	})
	openssl := func(port, cert string) string {
		return "(echo hello; sleep 3) | timeout 40 openssl s_client -quiet -connect " + svc + ":" + port +
			" -cert " + cert + " -key " + cert + " -CAfile svc.pem -no-CApath -no-CAstore" +
			" -verify_return_error -verify_hostname " + t.key("svc") + ".peer.home.arpa 2>&1"
	}
	t.does("`openssl s_client` to it", func() { t.until("friend-laptop", home+".onion says hello", openssl("7443", "client/both.pem")) })
	tryForgeries(t, socat, openssl)
}

// tryForgeries shows certificates of others, and of an onion's former key, to both sides.
func tryForgeries(t *trial, socat func(port, cert, anchor, name string) string, openssl func(port, cert string) string) {
	t.must("gateway", "tunic", "publish", "turned", "80="+lab.NASOnionTarget, "--private")
	t.Cleanup(func() { t.must("gateway", "tunic", "unpublish", "turned", "--forget-key", "--yes") })
	before := t.key("turned")
	for _, line := range []string{"tunic certificate turned --out former", "tunic rotate turned --keep 0s",
		"tunic certificate turned --out latter", "tunic certificate home --out alice",
		"tunic anchor " + before + " > before.pem", "tunic anchor $(tunic address turned) > turned.pem"} {
		t.mustSh("gateway", line)
	}
	now := t.key("turned")
	if now == before {
		t.Fatal("the onion has its key still")
	}
	for port, cert := range map[string]string{"7444": "latter", "7445": "former"} {
		t.runs("nas", "socat", "OPENSSL-LISTEN:"+port+",bind="+nas4+",fork,reuseaddr,verify=0,cert="+t.dir+"/"+cert+"/both.pem",
			"SYSTEM:read q; echo got $q")
	}
	t.until("friend-laptop", "got hello", socat("7444", "client/both.pem", "turned.pem", now)) // both servers answer who trusts them
	t.until("friend-laptop", "got hello", socat("7445", "client/both.pem", "before.pem", before))
	refused := func(what, line, why string) {
		t.refuses(what, func() {
			r := t.sh("friend-laptop", line)
			if !strings.Contains(r.Stdout, why) || strings.Contains(r.Stdout, "hello") {
				t.Errorf("%s: status %d, %s%s", what, r.Code, r.Stdout, r.Stderr)
			}
		})
	}
	refused("a server with another onion's certificate",
		socat("7444", "client/both.pem", "svc.pem", t.key("svc")), "certificate verify failed")
	refused("a server with a certificate of the onion's former key, after `tunic rotate`",
		socat("7445", "client/both.pem", "turned.pem", now), "certificate verify failed")
	refused("a client with another onion's certificate", openssl("7443", "latter/both.pem"), "alert")
	refused("a client with the certificate of the server's own house", openssl("7443", "alice/both.pem"), "alert")
}

// try9P: a service for a friend who is named, which has no log-in of its own and needs none.
func try9P(t *trial) {
	t.file("share/hello.txt", "hello from ann\n")
	t.blob("share/blob", 1)
	t.offers("share", "--port", "564", "--", "/usr/sbin/diod", "-f", "-n", "-r", "0", "-w", "1", "-S", "--nwthreads", "4",
		"-e", t.dir+"/share")
	t.does("`diodcat` of a service for friends, at its own port", func() {
		t.until("friend-laptop", "hello from ann", "timeout 40 diodcat -s alice.peer.home.arpa:564 -a "+t.dir+"/share hello.txt")
	})
	t.does("`diodls`", func() {
		t.until("friend-laptop", "blob", "timeout 40 diodls -s alice.peer.home.arpa:564 -a "+t.dir+"/share")
	})
	t.does("1 MB of it", func() {
		t.sh("friend-laptop", "timeout 50 diodcat -s alice.peer.home.arpa:564 -a "+t.dir+"/share blob > copy")
		t.same("share/blob", "copy")
	})
	t.must("gateway", "tunic", "service", "remove", "share")
	t.refuses("the same after `tunic service remove`", func() {
		r := t.sh("friend-laptop", "timeout 40 diodcat -s alice.peer.home.arpa:564 -a "+t.dir+"/share hello.txt")
		if r.Code == 0 || r.Stdout != "" {
			t.Errorf("diodcat: status %d, %s%s", r.Code, r.Stdout, r.Stderr)
		}
	})
}

// tryFinger: the oldest of all questions.
func tryFinger(t *trial) {
	t.offers("finger", "--port", "79", "--", "/bin/sh", "-c", `read who; echo "$TUNIC_FRIEND asks who is there: ann, on the balcony"`)
	t.does("`finger @alice.peer.home.arpa`, answered by a service for friends", func() {
		t.until("friend-laptop", "bob asks who is there: ann, on the balcony", "timeout 40 finger @alice.peer.home.arpa")
	})
}

// tryOpenPGP: what GnuPG has encrypted and signed arrives as it was.
func tryOpenPGP(t *trial) {
	a := postBox{node: "gateway", laptop: "laptop", user: "ann", addr: "192.168.77.1", friend: "bob", key: t.key("home")}
	b := postBox{node: "friend", laptop: "friend-laptop", user: "bob", addr: "192.168.78.1", friend: "alice",
		key: strings.TrimSuffix(t.must("friend", "tunic", "address", "home"), ".onion")}
	t.mailUser(a)
	t.mailUser(b)
	t.mustSh("nas", `set -e; mkdir -m 700 keys; export GNUPGHOME=$PWD/keys
for who in ann bob; do gpg -q --batch --passphrase '' --quick-gen-key $who@example.org; done 2>&1
printf 'Guten Tag, schöne Grüße\nFrom ann, with a line that begins so\n' > plain
gpg -q --batch --trust-model always -u ann@example.org -r bob@example.org -a -se -o secret.asc plain
gpg -q --batch -u ann@example.org -a --clearsign -o signed.asc plain
gpgconf --kill all`)
	t.does("a mail that GnuPG has encrypted and signed", func() { t.mails(a, b, "secret.asc") })
	t.does("a mail with a clear signature, umlauts and a line that begins with `From `", func() { t.mails(a, b, "signed.asc") })
}

// mails sends a message of GnuPG's, which is good and says the same where it arrives.
func (t *trial) mails(a, b postBox, name string) {
	t.Helper()
	t.must(a.laptop, "swaks", "--server", a.addr+":587", "--tls", "--auth", "PLAIN", "--auth-user", a.user, "--auth-password", mailPassword,
		"--from", a.user+"@box.home.arpa", "--to", b.user+"@bob.peer.home.arpa", "--header", "Subject: "+name, "--body", "@"+t.dir+"/"+name)
	text := t.arrived(b, "Subject: "+name)
	if !strings.Contains(text, "dkim=pass header.d="+a.domain()) {
		t.Errorf("no signature of the box's:\n%s", text)
	}
	_, body, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	t.file("arrived.asc", body)
	out := t.sh("friend-laptop", "export GNUPGHOME=$PWD/keys; gpg -q --batch --yes --trust-model always -o opened -d arrived.asc 2>&1\n"+
		"gpgconf --kill all; cmp plain opened")
	if out.Code != 0 || !strings.Contains(out.Stdout, "Good signature") {
		t.Errorf("GnuPG says %s%s of\n%s", out.Stdout, out.Stderr, text)
	}
}
