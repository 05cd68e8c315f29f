package tor

import (
	"fmt"
	"slices"
	"strings"
)

// startOptions are what tor, while it runs, refuses to change ("While Tor is
// running, changing X is not allowed", found by trying all options of 0.4.9.11)
// and the owner may set. The others of that kind are tunic's own.
var startOptions = []string{
	"AccelDir", "AccelName", "DisableAllSwap", "DisableDebuggerAttachment", "HardwareAccel", "KeepBindCapabilities",
	"NoExec", "Sandbox", "SyslogIdentityTag", "TestingTorNetwork", "TokenBucketRefillInterval",
}

// RestartReasons says, in words, why going from old to new needs another tor
// process. It returns nil if the running one can be changed.
func RestartReasons(old, new Spec) []string {
	var reasons []string
	because := func(differs bool, what string) {
		if differs {
			reasons = append(reasons, what+" changes")
		}
	}
	because(old.Binary != new.Binary, "the tor binary")
	because(old.UID != new.UID || old.GID != new.GID, "the user that tor runs as")
	because(old.DataDir != new.DataDir, "the data directory")
	because(old.RunDir != new.RunDir, "the control socket")
	because(old.Torrc != new.Torrc, "the place of the torrc")
	because(old.SingleHop != new.SingleHop, "the anonymity of all onions")
	for i, l := range old.listeners() {
		because(!slices.Equal(l.addrs, new.listeners()[i].addrs), l.option)
	}
	// Listeners are fixed for tor's life, and their flags with them.
	because(old.IsolateDestinations != new.IsolateDestinations, "the isolation of destinations")
	// tor would take them while it runs, and keep its connections to the old guards.
	because(!slices.Equal(old.bridgeLines(), new.bridgeLines()), "the way into the network (bridges)")
	before, after := startLines(old.Snippets), startLines(new.Snippets)
	for _, option := range startOptions {
		because(!slices.Equal(before[option], after[option]), fmt.Sprintf("the start-only option %s in torrc.d", option))
	}
	return reasons
}

// startLines returns the lines of the snippets that set a start-only option.
// A beginning that fits several options counts for all: an unneeded restart is
// better than a refused change.
func startLines(snippets []Snippet) map[string][]string {
	found := map[string][]string{}
	for _, snippet := range snippets {
		for line := range strings.Lines(snippet.Text) {
			name := strings.ToLower(optionName(line))
			if name == "" {
				continue
			}
			for _, option := range startOptions {
				if strings.HasPrefix(strings.ToLower(option), name) {
					found[option] = append(found[option], strings.TrimSpace(line))
				}
			}
		}
	}
	return found
}
