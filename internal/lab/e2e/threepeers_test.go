//go:build lab

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

// testThreePeers: the first box knows two others, forgets one, and introduces
// them to each other.
func testThreePeers(w *world) {
	w.turnOn("c-gateway")
	w.Cleanup(func() {
		w.turnOff("c-gateway")
		w.must("c-gateway", "tunic", "teardown", "--yes") // the closed rules stay after it
	})
	w.private("gateway", "friend", "c-gateway")
	defer w.friendless("gateway", "friend", "c-gateway")
	for gateway, name := range map[string]string{"friend": "bob", "c-gateway": "carol"} {
		w.must(gateway, "tunic", "accept", w.must("gateway", "tunic", "invite", name, "--me", "alice", "--auto"))
		w.becomes(gateway, "alice", api.PeerFriend)
		w.becomes("gateway", name, api.PeerFriend)
	}
	for _, laptop := range []string{"friend-laptop", "c-laptop"} {
		w.fetched(laptop, "Welcome to the box called gateway", onionLimit, "gopher://alice.peer.home.arpa/0/welcome.txt")
	}
	boxes := w.threeBoxes()
	w.run("a group of three boxes", func(w *world) { groupOfThree(w, boxes) })
	w.run("a room of three boxes", func(w *world) { roomOfThree(w, boxes) })
	w.run("an introduction", introduction)
	w.run("the other friends are back", othersAreBack)
}

// friendless ends all friendships.
func (w *world) friendless(gateways ...string) {
	w.Helper()
	for _, gateway := range gateways {
		for _, p := range w.peers(gateway) {
			w.must(gateway, "tunic", "forget", p.Name, "--yes")
		}
	}
}

// threeBoxes sets mail and chat up on three boxes, of which the first knows both
// others, and these do not know each other.
func (w *world) threeBoxes() []postBox {
	w.Helper()
	boxes := []postBox{
		{node: "gateway", laptop: "laptop", user: "ann", addr: "192.168.77.1"},
		{node: "friend", laptop: "friend-laptop", user: "bob", addr: friendBox, friend: "alice"},
		{node: "c-gateway", laptop: "c-laptop", user: "cyd", addr: "192.168.79.1", friend: "alice"},
	}
	for i := range boxes {
		b := &boxes[i]
		b.key = strings.TrimSuffix(w.must(b.node, "tunic", "address", "home"), ".onion")
		path := filepath.Join(config.NewPaths(w.lab.Root(b.node)).EndpointDir(), "smtp.toml")
		w.write(path, "")
		w.Cleanup(func() {
			w.remove(path)
			w.must(b.node, "tunic", "user", "remove", b.user)
			w.must(b.node, "tunic", "reload")
		})
		w.must(b.node, "sh", "-c", "echo "+shellQuote(mailPassword)+" | tunic user add "+b.user)
	}
	w.talkers(boxes...)
	return boxes
}

// groupOfThree: every member gets every mail once.
func groupOfThree(w *world, boxes []postBox) {
	path := filepath.Join(w.paths().GroupDir(), "choir.toml")
	w.write(path, fmt.Sprintf("title = \"The Choir\"\nmembers = [%q, %q, %q]\n", "ann", "bob@bob", "cyd@carol"))
	w.must("gateway", "tunic", "reload")
	defer func() { w.remove(path); w.must("gateway", "tunic", "reload") }()
	for _, from := range boxes[1:] {
		c, err := w.submit(w.ctx, from)
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		text := "From: " + from.at() + "\r\nSubject: song of " + from.user + "\r\n\r\nx\r\n"
		if err := sendBy(c, from.at(), "choir@alice.peer.home.arpa", text); err != nil {
			w.Fatal(err)
		}
	}
	for _, from := range boxes[1:] {
		for _, member := range boxes {
			w.arrived(member, "Subject: song of "+from.user)
		}
	}
	for _, member := range boxes {
		if got := w.inbox(member); len(got) != 2 {
			w.Errorf("%s has %d mails:\n%s", member.user, len(got), strings.Join(got, "\n---\n"))
		}
	}
}

// roomOfThree: a room of the first box, with a member of each box.
func roomOfThree(w *world, boxes []postBox) {
	name := "choir@rooms." + boxes[0].domain()
	var at []*listener
	for _, b := range boxes {
		at = append(at, w.listen(b, "choir-"+b.user, "-c", "-a", b.user, name))
		w.pause(4 * time.Second) // a stream over Tor
	}
	for i, from := range boxes {
		begin := time.Now()
		words := strings.Join(quoteAll(from.xmpp(w, "-c", "-a", from.user+"2", name)), " ")
		if r := w.exec(from.laptop, "sh", "-c", "echo choir-"+strconv.Itoa(i)+" | "+words); r.Code != 0 {
			w.Errorf("%s in the room: status %d, %s", from.user, r.Code, r.Stderr)
		}
		for _, member := range at {
			w.eventually("what "+from.user+" said, at "+member.name, chatLimit, func() bool { return len(member.heard("choir")) > i })
		}
		w.timed("a word of "+from.user+" to all in the room", time.Since(begin))
	}
	for _, member := range at {
		if got := member.heard("choir"); !slices.Equal(got, firstNumbers(len(boxes))) {
			w.Errorf("%s heard %v", member.name, got)
		}
	}
}

func introduction(w *world) {
	w.must("gateway", "tunic", "introduce", "bob", "carol")
	w.becomes("friend", "carol", api.PeerIntroduced)
	w.becomes("c-gateway", "bob", api.PeerIntroduced)
	w.must("friend", "tunic", "accept", "carol")
	w.must("c-gateway", "tunic", "accept", "bob", "--as", "robert")
	w.timed("accepted by both to friends", w.becomes("friend", "carol", api.PeerFriend))
	w.becomes("c-gateway", "robert", api.PeerFriend)
	w.fetched("c-laptop", "Welcome to the box called friend", onionLimit, "gopher://robert.peer.home.arpa/0/welcome.txt")
}

func othersAreBack(w *world) {
	begin := time.Now()
	w.must("gateway", "tunic", "forget", "bob", "--yes")
	w.eventually("bob is refused", forgetLimit, func() bool { return !w.reaches("friend-laptop", "alice") })
	w.timed("forget to refused", time.Since(begin))
	w.eventually("carol is back", backLimit, func() bool { return w.reaches("c-laptop", "alice") })
	w.timed("forget to the other friend's next page", time.Since(begin))
	if w.reaches("friend-laptop", "alice") {
		w.Error("a forgotten friend is back")
	}
}
