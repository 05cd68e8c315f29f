//go:build machines

package machines

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

const password = "tall order of chips"

// serverLimit is how long a managed server may take until it answers.
const serverLimit = 60 * time.Second

// authority writes the certificate that a device of the household trusts to a
// file, and returns its name.
func (w *world) authority() string {
	w.Helper()
	path := filepath.Join(w.TempDir(), "ca.crt")
	if err := os.WriteFile(path, []byte(w.running("ca")+"\n"), 0o644); err != nil {
		w.Fatal(err)
	}
	return path
}

// running runs a verb by the program of the daemon that runs, whatever is installed.
func (w *world) running(verb ...string) string {
	w.Helper()
	return w.must(box, append([]string{"/proc/" + w.must(box, "systemctl", "show", "-P", "MainPID", "tunic") + "/exe"}, verb...)...)
}

// domain is the box's own in addresses of mail and chat.
func (w *world) domain() string {
	w.Helper()
	return strings.TrimSuffix(w.running("address", "home"), ".onion") + ".peer.home.arpa"
}

// imapLogin reads the folders, and the first mail that serve has delivered.
func imapLogin(w *world) {
	ca := w.authority()
	w.folders(ca)
	w.mail("ann@box.home.arpa", "to myself")
	w.eventually("the mail is read", serverLimit, func() bool {
		return strings.Contains(w.exec("laptop", "curl", "-sS", "-m", "20", "--cacert", ca, "-u", "ann:"+password,
			"imaps://box.home.arpa/INBOX;MAILINDEX=1").Stdout, "to myself")
	})
}

// folders logs in and reads the folders with curl.
func (w *world) folders(ca string) {
	w.Helper()
	w.eventually("the folders are read", serverLimit, func() bool {
		return strings.Contains(w.exec("laptop", "curl", "-sS", "-m", "20", "--cacert", ca, "-u", "ann:"+password,
			"imaps://box.home.arpa/").Stdout, "Drafts")
	})
}

// mail sends one from the laptop, as people's programs do.
func (w *world) mail(to, subject string) {
	w.Helper()
	w.must("laptop", "swaks", "--server", "192.168.77.1:587", "--tls", "--auth", "PLAIN", "--auth-user", "ann", "--auth-password", password,
		"--from", "ann@box.home.arpa", "--to", to, "--header", "Subject: "+subject)
}

func xmppLogin(w *world) {
	ca, at := w.authority(), "ann@"+w.domain()
	w.eventually("a message is sent", serverLimit, func() bool {
		return w.exec("laptop", "sh", "-c", "echo hello | SSL_CERT_FILE="+ca+" SSL_CERT_DIR=/nonexistent go-sendxmpp -u "+at+
			" -p '"+password+"' --timeout 20 "+at).Code == 0
	})
}

// ircTalk logs in as a client does: the server wants an answer to its ping first
// (RFC 2812, 3.7.2). It prints what the server says.
const ircTalk = `exec 3<>/dev/tcp/192.168.77.1/6667
printf 'NICK ann\r\nUSER ann 0 * :ann\r\n' >&3
while read -r -t 10 line <&3; do
  echo "$line"
  case $line in
  PING*) printf 'PONG %s\n' "${line#PING }" >&3;;
  *' 001 ann '*) printf 'QUIT\r\n' >&3;;
  esac
done`

func ircLogin(w *world) {
	w.eventually("the server of IRC greets", serverLimit, func() bool {
		return strings.Contains(w.exec("laptop", "timeout", "15", "bash", "-c", ircTalk).Stdout, " 001 ann ")
	})
}

// fetchLimit bounds the way to a new onion.
const fetchLimit = 90 * time.Second

func publishAndFetch(w *world) {
	w.must(box, "tunic", "publish", "photos", "80=192.168.77.20:8080")
	address := w.must(box, "tunic", "address", "photos")
	w.eventually("the friend reaches the onion", fetchLimit, func() bool {
		return w.exec("friend-laptop", "curl", "-sS", "-m", "20", "http://"+address+"/").Code == 0
	})
	w.must(box, "tunic", "unpublish", "photos")
}

// knows reports whether a box has a friend of that name.
func (w *world) knows(node, name string) bool {
	w.Helper()
	var list []api.Peer
	if err := json.Unmarshal([]byte(w.must(node, "tunic", "peers", "--json")), &list); err != nil {
		w.Fatal(err)
	}
	return slices.ContainsFunc(list, func(p api.Peer) bool { return p.Name == name && p.State == api.PeerFriend })
}

// befriend makes friends of the boxes: the friend is bob here, and the box has the name
// of its Debian there.
func (w *world) befriend() {
	w.Helper()
	name := w.release.Codename
	word := w.must(box, "tunic", "invite", "bob", "--me", name)
	w.must(friend, "tunic", "accept", word)
	w.eventually("the boxes have met", fetchLimit, func() bool { return strings.Contains(w.must(box, "tunic", "peers"), "confirm") })
	w.must(box, "tunic", "confirm", "bob")
	w.eventually("the boxes are friends", fetchLimit, func() bool { return w.knows(friend, name) && w.knows(box, "bob") })
}

// mailToFriend makes friends of the boxes, and sends.
func mailToFriend(w *world) {
	friends := config.NewPaths(w.lab.Root(friend))
	if err := os.WriteFile(filepath.Join(friends.EndpointDir(), "smtp.toml"), nil, 0o644); err != nil {
		w.Fatal(err)
	}
	if !strings.Contains(w.must(friend, "tunic", "user", "list"), "bob") {
		w.must(friend, "sh", "-c", "echo '"+password+"' | tunic user add bob")
	}
	w.must(friend, "tunic", "reload")
	if !w.knows(box, "bob") {
		w.befriend()
	}
	subject := "from " + w.release.Codename
	w.mail("bob@bob.peer.home.arpa", subject)
	w.eventually("the mail has arrived", fetchLimit, func() bool {
		paths, _ := filepath.Glob(filepath.Join(friends.Mail(), "bob/Maildir/new/*"))
		return slices.ContainsFunc(paths, func(path string) bool {
			text, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(text), "Subject: "+subject)
		})
	})
	w.must(box, "tunic", "forget", "bob", "--yes")
}
