//go:build lab

package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// Times within which things have to happen between boxes.
const (
	pairLimit   = 90 * time.Second // from the word to both being friends; a first dial may hang for 20 s
	forgetLimit = 10 * time.Second // until a forgotten friend is refused, whatever their box has cached
	backLimit   = 15 * time.Second // until other friends are back
	browseLimit = 3 * time.Second  // until a try of HTTPS has failed
)

// testPeers makes friends of two boxes, uses the names with real clients, and
// ends the friendship.
func testPeers(w *world) {
	w.private("gateway", "friend")
	key := strings.TrimSuffix(w.must("gateway", "tunic", "address", "home"), ".onion")
	w.run("an outsider finds nothing", func(w *world) { outsider(w, key) })
	w.run("one word, and both daemons killed on the way", pairing)
	w.run("what an invitation refuses", refusedInvitations)
	w.run("names in real clients", func(w *world) { friendsNames(w, key) })
	w.run("names under every policy", namesByPolicy)
	w.run("streams live", func(w *world) {
		streamsLive(w, func(w *world) { w.run("a port that is not there", missingPort) })
	})
	w.run("an onion that falls silent", silentOnion)
	w.run("forget, with everything cached", forget)
}

// private makes homes what they are by default, and public again at the end.
func (w *world) private(gateways ...string) {
	w.Helper()
	for _, gateway := range gateways {
		path := filepath.Join(config.NewPaths(w.lab.Root(gateway)).OnionDir(), "home.toml")
		before, err := os.ReadFile(path)
		if err != nil {
			w.Fatal(err)
		}
		w.write(path, strings.Replace(string(before), "public = true", "", 1))
		w.must(gateway, "tunic", "reload")
		w.Cleanup(func() {
			w.write(path, string(before))
			w.must(gateway, "tunic", "reload")
		})
	}
}

// outsider: who has no key finds no home, although it knows the address.
func outsider(w *world, key string) {
	for _, name := range []string{key + ".onion", key + ".peer.home.arpa"} {
		if page, ok := w.curl("friend-laptop", 8, "gopher://"+name+"/0/welcome.txt"); ok && page != "" {
			w.Errorf("%s: an outsider gets %q", name, page)
		}
	}
}

// peers returns what a box says of its friends.
func (w *world) peers(gateway string) (list []api.Peer) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.must(gateway, "tunic", "peers", "--json")), &list); err != nil {
		w.Fatal(err)
	}
	return list
}

// peer returns what it says of somebody.
func (w *world) peer(gateway, name string) api.Peer {
	w.Helper()
	list := w.peers(gateway)
	if i := slices.IndexFunc(list, func(p api.Peer) bool { return p.Name == name }); i >= 0 {
		return list[i]
	}
	return api.Peer{}
}

// becomes waits until a box says that of somebody.
func (w *world) becomes(gateway, name string, state api.PeerState) time.Duration {
	w.Helper()
	last := api.Peer{}
	defer func() {
		if w.Failed() {
			w.Logf("%s says of %s: %+v", gateway, name, last)
		}
	}()
	return w.eventually(name+" is "+string(state)+" on "+gateway, pairLimit, func() bool {
		last = w.peer(gateway, name)
		return last.State == state
	})
}

func pairing(w *world) {
	word := w.must("gateway", "tunic", "invite", "bob", "--me", "alice")
	w.must("friend", "tunic", "accept", word)
	w.timed("accept to the question for the four words", w.becomes("gateway", "bob", api.PeerConfirm))
	w.becomes("friend", "alice", api.PeerWaits)
	words := w.peer("gateway", "bob").Words
	w.kill("gateway", "friend")
	if here, there := w.peer("gateway", "bob").Words, w.peer("friend", "alice").Words; here != words || there != words || words == "" {
		w.Errorf("the words were %q, and are %q and %q", words, here, there)
	}
	w.must("gateway", "tunic", "confirm", "bob")
	w.timed("confirm to friends", w.becomes("friend", "alice", api.PeerFriend))
	w.becomes("gateway", "bob", api.PeerFriend)
	w.timed("friends to hello", w.eventually("they have seen each other", pairLimit, func() bool {
		a, b := w.peer("gateway", "bob"), w.peer("friend", "alice")
		return a.LastSeen != nil && b.LastSeen != nil && b.RoundTrip > 0 && slices.Contains(b.Endpoints, "gopher")
	}))
}

// kill kills daemons as a power cut would, all at once, and starts them again.
func (w *world) kill(gateways ...string) {
	w.Helper()
	for _, gateway := range gateways {
		p, err := w.lab.Daemon(gateway)
		if err == nil {
			err = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		if err != nil {
			w.Fatal(err)
		}
		w.eventually("the daemon has ended", 30*time.Second, func() bool { return !p.Alive() })
	}
	begin := time.Now()
	for _, gateway := range gateways {
		if _, err := w.lab.StartDaemon(gateway); err != nil {
			w.Fatal(err)
		}
	}
	for _, gateway := range gateways {
		if err := w.lab.WaitReady(w.ctx, gateway, nil); err != nil {
			w.Fatal(err)
		}
	}
	w.timed("start of the killed daemons to ready", time.Since(begin))
}

func refusedInvitations(w *world) {
	word := w.must("gateway", "tunic", "invite", "carol")
	defer w.must("gateway", "tunic", "forget", "carol", "--yes")
	for _, c := range []struct {
		node string
		args []string
		want string
	}{
		{"gateway", []string{"accept", word, "--as", "me"}, "this box's own invitation"},
		{"friend", []string{"accept", word + "a", "--as", "x"}, "a letter in it is wrong"},
		{"friend", []string{"accept", word, "--as", "zoe"}, "called alice here already"},
		{"gateway", []string{"invite", "mail"}, "has another meaning"},
		{"gateway", []string{"rename", "bob", "carol"}, "is taken"},
		{"gateway", []string{"confirm", "carol"}, "has not answered"},
	} {
		r := w.exec(c.node, append([]string{"tunic"}, c.args...)...)
		if r.Code != 2 || !strings.Contains(r.Stderr, c.want) {
			w.Errorf("%s: status %d, %s", c.args[0], r.Code, r.Stderr)
		}
	}
}

// friendsNames: an onion that is granted, and the home, by every name that they
// have, in clients without any setting.
func friendsNames(w *world, key string) {
	w.must("gateway", "tunic", "publish", "pictures", "80="+lab.NASOnionTarget, "2222="+nas4+":"+strconv.Itoa(int(lab.NASEchoPort)),
		"--private", "--client", "bob")
	took := w.eventually("bob's box has heard of the onion", 90*time.Second, func() bool {
		return slices.Contains(w.peer("friend", "alice").Onions, "pictures.alice.peer.home.arpa")
	})
	w.timed("publish for a friend to the name on their box", took)
	const page = "http://pictures.alice.peer.home.arpa/"
	w.timed("the first page", w.fetched("friend-laptop", "This is the nas.", onionLimit, page))
	for what, args := range map[string][]string{
		"curl by IPv4":  {"curl", "-4", "-sS", "-m", "20", page},
		"curl by IPv6":  {"curl", "-6", "-sS", "-m", "20", page},
		"curl by SOCKS": {"curl", "-sS", "-m", "20", "--socks5-hostname", "192.168.78.1:9050", page},
		"wget":          {"wget", "-q", "-T", "20", "-t", "1", "-O", "-", page},
		"lynx":          {"lynx", "-dump", "-connect_timeout=20", page},
	} {
		if r := w.exec("friend-laptop", args...); r.Code != 0 || !strings.Contains(r.Stdout, "This is the nas.") {
			w.Errorf("%s: status %d, %q, %s", what, r.Code, r.Stdout, r.Stderr)
		}
	}
	for _, name := range []string{"alice.peer.home.arpa", key + ".peer.home.arpa", key + ".onion"} {
		w.fetched("friend-laptop", "Welcome to the box called gateway", onionLimit, "gopher://"+name+"/0/welcome.txt")
	}
	if r := w.exec("friend-laptop", "lynx", "-dump", "-connect_timeout=20", "gopher://alice.peer.home.arpa"); !strings.Contains(r.Stdout,
		"welcome.txt") {
		w.Errorf("lynx reads the hole as %q, %s", r.Stdout, r.Stderr)
	}
	w.fetched("laptop", "Welcome to the box called friend", onionLimit, "gopher://bob.peer.home.arpa/0/welcome.txt")
	if r := w.exec("laptop", "getent", "ahosts", "bob.peer.home.arpa"); !strings.Contains(r.Stdout, "STREAM bob.peer.home.arpa") {
		w.Errorf("getaddrinfo: %q, %s", r.Stdout, r.Stderr)
	}
}

// household B's own addresses.
const friendBox = "192.168.78.1"

// friendLaptop is the device that visits.
func (w *world) friendLaptop() traffic.Host {
	w.Helper()
	n, err := w.lab.Plan().Node("friend-laptop")
	if err != nil {
		w.Fatal(err)
	}
	return traffic.Host{Namespace: n.Namespace}
}

// namesByPolicy: friends are reached under every policy but block.
func namesByPolicy(w *world) {
	set := func(p config.Policy) {
		w.must("friend", "tunic", "device", "visitor", "--mac", "02:00:00:0b:00:10", "--policy", string(p))
	}
	defer func() {
		w.remove(filepath.Join(config.NewPaths(w.lab.Root("friend")).DeviceDir(), "visitor.toml"))
		w.must("friend", "tunic", "reload")
	}()
	for _, p := range []config.Policy{config.PolicyOnion, config.PolicyDirect} {
		set(p)
		w.fetched("friend-laptop", "This is the nas.", onionLimit, "http://pictures.alice.peer.home.arpa/")
	}
	set(config.PolicyBlock)
	if page, ok := w.curl("friend-laptop", 5, "http://pictures.alice.peer.home.arpa/"); ok {
		w.Errorf("a blocked device gets %q", page)
	}
}

// missingPort: a browser tries HTTPS first. It hears at once that there is none,
// and what else is open on the same circuit goes on.
func missingPort(w *world) {
	laptop := w.friendLaptop()
	reply, err := w.question(laptop, "udp", friendBox, "pictures.alice.peer.home.arpa", dns.TypeA, 10*time.Second)
	if err != nil || len(answers(reply)) != 1 {
		w.Fatalf("the name: %v, %v", reply, err)
	}
	conn, err := laptop.Dial(w.ctx, "tcp", net.JoinHostPort(answers(reply)[0], strconv.Itoa(int(lab.NASEchoPort))))
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	if err := echoes(conn); err != nil {
		w.Fatalf("the stream does not work: %v", err)
	}
	for _, family := range []string{"-4", "-6"} {
		begin := time.Now()
		r := w.exec("friend-laptop", "curl", family, "-sS", "-m", "30", "https://pictures.alice.peer.home.arpa/")
		took := time.Since(begin)
		w.timed("HTTPS where there is none, curl "+family, took)
		if r.Code == 0 || r.Code == 28 || took > browseLimit {
			w.Errorf("curl %s ended with status %d after %v: %s", family, r.Code, took, r.Stderr)
		}
	}
	if err := echoes(conn); err != nil {
		w.Errorf("a try of HTTPS has cut another stream: %v\n%s\n%s",
			err, w.exec("friend", "conntrack", "-L", "-p", "tcp").Stdout, w.exec("friend", "ss", "-tanp").Stdout)
	}
}

// forget: nothing that the forgotten box has cached helps it, and what it has
// open is cut.
func forget(w *world) {
	defer w.must("gateway", "tunic", "unpublish", "pictures")
	defer w.must("friend", "tunic", "forget", "alice", "--yes")
	laptop := w.friendLaptop()
	reply, err := w.question(laptop, "udp", friendBox, "pictures.alice.peer.home.arpa", dns.TypeA, 10*time.Second)
	if err != nil || len(answers(reply)) != 1 {
		w.Fatalf("the name: %v, %v", reply, err)
	}
	conn, err := laptop.Dial(w.ctx, "tcp", net.JoinHostPort(answers(reply)[0], strconv.Itoa(int(lab.NASEchoPort))))
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	if err := echoes(conn); err != nil {
		w.Fatalf("a stream before: %v", err)
	}
	begin := time.Now()
	w.must("gateway", "tunic", "forget", "bob", "--yes")
	w.timed("forget", time.Since(begin))
	conn.SetDeadline(begin.Add(forgetLimit))
	if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(begin) >= forgetLimit {
		w.Errorf("what was open is open %v later: %v", time.Since(begin), err)
	}
	w.eventually("new connections are refused", forgetLimit, func() bool { return !w.reaches("friend-laptop", "alice") })
	w.timed("forget to refused", time.Since(begin))
	for _, url := range []string{"http://pictures.alice.peer.home.arpa/", "gopher://alice.peer.home.arpa/0/welcome.txt"} {
		for range 2 {
			if page, ok := w.curl("friend-laptop", 5, url); ok && page != "" {
				w.Errorf("a forgotten friend gets %q", page)
			}
		}
	}
	if p := w.peer("gateway", "bob"); p.Name != "" {
		w.Errorf("it is still known: %+v", p)
	}
}

// reaches reports whether a laptop gets the hole of a friend within a few seconds.
// To curl a Gopher stream that ends without a word is a page too.
func (w *world) reaches(node, friend string) bool {
	w.Helper()
	page, ok := w.curl(node, 4, "gopher://"+friend+".peer.home.arpa/0/welcome.txt")
	return ok && page != ""
}
