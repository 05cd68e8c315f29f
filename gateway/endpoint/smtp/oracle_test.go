package smtp

import (
	"strings"
	"testing"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

// A door knows the address by which it is called and no other: the same answers,
// word for word, for the box's other addresses as for those of other boxes.
func TestDoorsKnowThemselvesAlone(t *testing.T) {
	n := newNetwork()
	b, friend := n.build(t, "b"), n.build(t, "c")
	strangers, _ := identity("s")
	former, _ := identity("f")
	other, _ := identity("o")
	b.Set(Config{Home: b.key, Strangers: strangers, Former: []onion.Address{former}, MaxSize: 1 << 20,
		Friends: map[string]onion.Address{"cea": friend.key}})
	ask := func(door onion.Address, from, to string) string {
		d := b.call(b.Friends(), door.Host(), "9")
		defer d.conn.Close()
		all := d.want("220 ") + d.say("EHLO x", "250 ")
		answers := d.say("MAIL FROM:<"+from+">", "") + "; " + d.say("RCPT TO:<"+to+">", "")
		answers = strings.NewReplacer(from, "FROM", to, "TO").Replace(answers) // what it was told is no news
		for _, own := range []onion.Address{b.key, strangers, former} {
			if own != door && strings.Contains(all+answers, string(own)) {
				t.Errorf("%s says another address of the box: %q, %q", door, all, answers)
			}
		}
		return answers
	}
	senders := map[onion.Address]string{strangers: "x@spam.example", b.key: friend.at("ann"), former: friend.at("ann")}
	for door, from := range senders {
		if got := ask(door, from, "bob@"+address.Domain(door)); !strings.Contains(got, "; 250 ") {
			t.Errorf("its own address: %q", got)
		}
		as, to := ask(door, "ann@"+address.Domain(other), "bob@"+address.Domain(door)), ask(door, from, "bob@"+address.Domain(other))
		for own := range senders {
			if own == door {
				continue
			}
			if got := ask(door, "ann@"+address.Domain(own), "bob@"+address.Domain(door)); got != as {
				t.Errorf("a sender at the box's other address hears %q, another box %q", got, as)
			}
			if got := ask(door, from, "bob@"+address.Domain(own)); got != to {
				t.Errorf("a recipient at the box's other address: %q, another box: %q", got, to)
			}
		}
	}
}

// A box that knows nothing of an address yet refuses nothing for good.
func TestNoDoorAtUnknownAddresses(t *testing.T) {
	b := newNetwork().build(t, "b")
	other, _ := identity("o")
	for _, host := range []string{other.Host(), b.key.Host(), "box.home.arpa"} {
		b.call(b.Friends(), host, "9").want("421 4.3.2 ")
	}
}
