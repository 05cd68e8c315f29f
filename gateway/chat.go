package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/endpoint/irc"
	"tunic/gateway/endpoint/xmpp"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/rules"
)

// friendsFiles is the household's way to the files of friends.
const friendsFiles = "friends-files"

// floodLimit is how long ngIRCd may take for what a visitor has sent ahead. It
// reads from who sends too much about a line a second, and would for hours.
const floodLimit = 20 * time.Second

// patience is how long a target may take for what a visitor sends; 0: for ever.
func patience(t config.Target) time.Duration {
	if t.Addr == config.Loopback(config.NgircdPort) {
		return floodLimit
	}
	return 0
}

// ircPlaces are what visitors, and the household, each have of ngIRCd's places.
var ircPlaces = link.Places{Each: irc.PlacesEach, Total: irc.Places}

// places are what visitors have of a target's; none: it has no bound of ours.
func places(t config.Target) link.Places {
	if t.Addr == config.Loopback(config.NgircdPort) {
		return ircPlaces
	}
	return link.Places{}
}

// chat prepares what the chat servers need: their secrets, and for XMPP its
// certificate, its directory and the users in it.
func (a *attempt) chat(r *feature.Report) {
	if _, ok := a.in.Config.IRC(); ok {
		a.needUser(a.in.IRC, config.IRCUser, "nobody can chat by IRC")
		secrets, err := loadIRCSecrets(a.Paths.IRCSecrets())
		if err != nil {
			a.find(health.IRCUnusable, "ngircd", "IRC: %v", err)
		}
		a.in.IRCSecrets = secrets
	}
	home, ok := a.in.Addresses[config.HomeOnion]
	if !a.in.Config.XMPP() || !ok {
		return
	}
	a.needUser(a.in.XMPP, config.XMPPUser, "nobody can chat by XMPP")
	host := string(home) + config.PeerDomain
	if a.in.Authority != nil {
		leaf, err := a.in.Authority.Leaf("xmpp", []string{host, xmpp.Rooms(host)}, a.in.Certain)
		if err != nil {
			r.Uncertified(err)
		}
		a.in.ChatLeaf = leaf
	}
	if a.in.XMPP == (IDs{}) {
		return
	}
	if err := writeChatUsers(a.Paths.XMPP(), host, a.in.Users, a.in.XMPP); err != nil {
		a.find(health.XMPPUnusable, "prosody", "XMPP: %v", err)
	}
}

// needUser finds that a system user is missing.
func (a *attempt) needUser(ids IDs, name, so string) {
	if ids == (IDs{}) {
		a.find(health.ServerMissing, name, "the system user %[1]s does not exist, so %[2]s: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin %[1]s", name, so)
	}
}

// IRCSecrets reads what the operator of the IRC server logs in with.
func IRCSecrets(p config.Paths) (irc.Secrets, error) {
	if _, err := os.Stat(p.IRCSecrets()); errors.Is(err, fs.ErrNotExist) {
		return irc.Secrets{}, feature.Usage(errors.New("IRC is not set up"), "make the file "+filepath.Join(p.EndpointDir(), "irc.toml")+", which may be empty, and run `tunic reload`")
	}
	return loadIRCSecrets(p.IRCSecrets())
}

// loadIRCSecrets reads the IRC server's secrets, or makes them.
func loadIRCSecrets(path string) (irc.Secrets, error) {
	var s irc.Secrets
	raw, err := os.ReadFile(path)
	switch {
	case err == nil:
		err = json.Unmarshal(raw, &s)
		if err == nil && (s.Salt == "" || s.Operator == "") {
			err = errors.New("a secret is missing")
		}
		if err != nil {
			err = fmt.Errorf("%s: %w: remove it, and others are made", path, err)
		}
		return s, err
	case !errors.Is(err, fs.ErrNotExist):
		return s, err
	}
	s = irc.Secrets{Salt: rand.Text(), Operator: rand.Text()}
	if raw, err = json.Marshal(s); err == nil {
		err = durable.Write(path, append(raw, '\n'), 0o600)
	}
	return s, err
}

// writeChatUsers makes the users' account files in Prosody's directory what they
// should be: Prosody reads them at each login. The directory belongs to a server
// that strangers talk to: os.Root follows no link out of it.
func writeChatUsers(dir, host string, users []account.User, owner IDs) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Lchown(dir, int(owner.UID), int(owner.GID))); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	accounts := filepath.Join(strings.NewReplacer(".", "%2e").Replace(host), "accounts")
	for _, sub := range []string{filepath.Dir(accounts), accounts} {
		if err := root.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := root.Lchown(sub, int(owner.UID), int(owner.GID)); err != nil {
			return err
		}
	}
	wanted := make(map[string]bool)
	for _, u := range users {
		file := filepath.Join(accounts, prosodyName(u.Name)+".dat")
		wanted[filepath.Base(file)] = true
		if err := keepAccount(root, file, u.Prosody(), owner); err != nil {
			return err
		}
	}
	old, err := fs.Glob(root.FS(), accounts+"/*.dat")
	for _, file := range old {
		if !wanted[filepath.Base(file)] {
			err = errors.Join(err, root.Remove(file))
		}
	}
	return err
}

// prosodyName is how Prosody writes a name as a file's (util.datamanager): what
// is neither letter nor digit becomes % and two digits.
func prosodyName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// keepAccount writes a file by rename, unless it says that already.
func keepAccount(root *os.Root, file, text string, owner IDs) error {
	if have, err := root.ReadFile(file); err == nil && string(have) == text {
		return nil
	}
	next := file + ".new"
	if err := root.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chown(int(owner.UID), int(owner.GID)), f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(next, file)
}

// addChat wishes the chat servers and the household's ways to them.
func addChat(d *Desired, in Inputs) {
	addIRC(d, in)
	addXMPP(d, in)
}

func addIRC(d *Desired, in Inputs) {
	c, ok := in.Config.IRC()
	if !ok || in.IRC == (IDs{}) || in.IRCSecrets == (irc.Secrets{}) {
		return
	}
	s := irc.Settings{Dir: in.Paths.Server("irc"), User: config.IRCUser, UID: in.IRC.UID, GID: in.IRC.GID, Listen: config.Loopback(config.NgircdPort),
		Secrets: in.IRCSecrets, MOTD: c.MOTD, Admins: admins(in.Users)}
	for _, ch := range c.Channels {
		s.Channels = append(s.Channels, irc.Channel(ch))
	}
	d.Servers = append(d.Servers, s.Spec())
	addBehind(d, in, link.Behind{Name: "irc", Server: s.Listen, Port: config.IRCPort, Places: ircPlaces}, config.ServeIRCPort)
	addBehind(d, in, link.Behind{Name: "ircs", Server: s.Listen, Port: config.IRCTLSPort, TLS: true, Places: ircPlaces}, config.ServeIRCTLSPort)
}

func addXMPP(d *Desired, in Inputs) {
	home, ok := in.Addresses[config.HomeOnion]
	if !ok || !in.Config.XMPP() || in.XMPP == (IDs{}) || in.ChatLeaf.Key == "" {
		return
	}
	s := xmpp.Settings{Dir: in.Paths.Server("prosody"), Data: in.Paths.XMPP(), UID: in.XMPP.UID, GID: in.XMPP.GID, Host: string(home) + config.PeerDomain,
		Clients: config.Loopback(config.ProsodyClientPort), Servers: config.Loopback(config.ProsodyServerPort), HTTP: config.Loopback(config.ProsodyFilesPort),
		PublicFiles: config.FilesPort, SOCKS: config.SocksPort, Certificate: in.ChatLeaf.Cert, Key: in.ChatLeaf.Key}
	s.Admins = admins(in.Users)
	accounts := sha256.New()
	for _, u := range in.Users {
		fmt.Fprintf(accounts, "%s\n%s\n", u.Name, u.Prosody())
	}
	s.Users = hex.EncodeToString(accounts.Sum(nil)[:8])
	for _, p := range in.Config.Peers {
		s.Peers = append(s.Peers, xmpp.Peer{Host: p.Onion + config.PeerDomain, Onion: p.Onion + ".onion", Came: in.Came[onion.Address(p.Onion)]})
	}
	slices.SortFunc(s.Peers, func(a, b xmpp.Peer) int { return strings.Compare(a.Host, b.Host) })
	d.Servers = append(d.Servers, s.Spec())
	addBehind(d, in, link.Behind{Name: "xmpp", Server: s.Clients, Port: config.XMPPPort, Remembers: true}, config.ServeXMPPPort)
	addBehind(d, in, link.Behind{Name: config.FilesEndpoint, Server: s.HTTP, Port: config.FilesPort, TLS: true, Onion: true}, config.ServeFilesPort)
	d.Serve.Files = new(link.Files)
	d.EachFamily(in.Scene, func(i InterfaceFacts, family string) {
		d.Serve.Files.Listeners = append(d.Serve.Files.Listeners, d.Listen(friendsFiles, i, "tcp"+family, config.ServeFriendsPort))
	})
}

// admins are the names of the users who run the servers.
func admins(users []account.User) (names []string) {
	for _, u := range users {
		if u.Role == account.Admin {
			names = append(names, u.Name)
		}
	}
	return names
}

// chatRules admits the household's chat programs.
func chatRules(r *rules.Input, in Inputs) {
	if _, ok := in.Config.IRC(); ok {
		r.Services = append(r.Services, rules.Service{Name: "irc", Public: config.IRCPort, Internal: config.ServeIRCPort},
			rules.Service{Name: "ircs", Public: config.IRCTLSPort, Internal: config.ServeIRCTLSPort})
	}
	if in.Config.XMPP() {
		r.Services = append(r.Services, rules.Service{Name: "xmpp", Public: config.XMPPPort, Internal: config.ServeXMPPPort},
			rules.Service{Name: config.FilesEndpoint, Public: config.FilesPort, Internal: config.ServeFilesPort},
			rules.Service{Name: friendsFiles, Virtual: true, Public: config.FilesPort, Internal: config.ServeFriendsPort})
	}
}
