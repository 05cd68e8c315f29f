package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// behindOnions are the classes of what an onion could give away or let in that
// its owner did not ask for. They are no packets on the uplink, so the matrix
// has no column for them.
func behindOnions() []entry {
	return []entry{
		{id: "P01", what: "a service trusts an onion's visitors because they seem local",
			held: "a source in 127.128.0.0/9 for each circuit, PROXY for services that ask for it, and no way to tunic's own ports",
			tests: []string{suite + "onions", suite + "behind onions", "gateway/serve TestFrontsLeadToTargetsAndEndpoints",
				"gateway/onion TestRelaySendsProxyHeader", "gateway/config TestTargetTables", "gateway/endpoint/smtp TestNeverARelay"},
			beyond: "an address in 127.0.0.0/8 is still local: a service of the owner's that trusts all of it has to be told, " +
				"and docs/onions.md says so."},
		{id: "P02", what: "a published service is also offered on the LAN or to the internet",
			held: "a front is a unix socket, for tor's user alone",
			tests: []string{suite + "behind onions", suite + "outside", "gateway/onion TestRefusals",
				"gateway/supervise TestUnixListenerHasItsModeAndOutlivesAccepters"}},
		{id: "P03", what: "names and addresses of the house in banners, headers, menus",
			held: "the front adds no byte, and says ::1 where it has to say an address; endpoints name the host that the visitor used",
			tests: []string{suite + "behind onions", "gateway/onion TestProxyHeaders",
				"gateway/endpoint/gopher TestMenusNameTheVisitorsHost", "gateway/endpoint/smtp TestSubmittedMailArrivesSigned"},
			beyond: "what a service of the owner's says of itself is passed on as it is."},
		{id: "P04", what: "delivery to friends asks DNS, or falls back to the open internet",
			held: "friends are dialled through tor's SocksPort by the letters of their keys, by a dialer that knows nothing else",
			tests: []string{"gateway/socks TestDialOnion", "gateway/socks TestDialOnionDialsNothingElse",
				"gateway/endpoint/smtp TestMailWaitsUntilTheFriendIsThere", "internal/arch TestNobodyDialsByItself"}},
		{id: "P05", what: "somebody takes a friend's place by a record in DNS", held: "no record is asked: the name is the key",
			tests: []string{"gateway/socks TestDialOnion", "gateway/endpoint/smtp TestForgedSendersAreRefused",
				"gateway/resolver TestOnionOutsideVirtualRange"}},
		{id: "P06", what: "a relay in the tor of the onions, whose times on line are public",
			held:  "ClientOnly, and no line of torrc.d that makes a relay",
			tests: []string{"gateway/tor TestRenderGolden", "gateway/tor TestCheckSnippet", "gateway/tor TestOptionNames"}},
		{id: "P07", what: "a published host is made to call out, in clear",
			held:  "it is a device like all: what it opens leaves through Tor or not at all",
			tests: []string{suite + "behind onions", suite + "leaks"}},
		{id: "P08", what: "onion keys that others can read, or that are lost",
			held: "0600 and tor's own, refused otherwise, never in a log; a state directory in memory is refused",
			tests: []string{suite + "behind onions", "gateway/onion TestEnsureKeysRefuses", "gateway/onion TestSecretsStayOut",
				"gateway/onion TestIdentityKeepsItsSecret", "gateway/box TestCheckState"}},
		{id: "P09", what: "logs that keep who went where", held: "no destination, no visitor and no device's question is logged",
			tests: []string{suite + "behind onions", "gateway/socks TestLogIsSilent"}},
	}
}

// TestOnionCatalog: each class has tests that exist, and people can read of it.
func TestOnionCatalog(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/onions.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range behindOnions() {
		if want := fmt.Sprintf("P%02d", i+1); e.id != want {
			t.Errorf("%s stands where %s should", e.id, want)
		}
		if line := fmt.Sprintf("| %s | %s | %s |\n", e.id, e.what, e.held); !strings.Contains(string(text), line) {
			t.Errorf("docs/onions.md has no line\n%s", line)
		}
		if len(e.tests) == 0 {
			t.Errorf("%s: no test shows it", e.id)
		}
		for _, name := range e.tests {
			if err := exists(name); err != nil {
				t.Errorf("%s: %v", e.id, err)
			}
		}
	}
}
