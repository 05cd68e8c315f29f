package rules

import (
	"slices"
	"strings"
	"testing"
)

// What has no process any more goes out in tor's connections alone, and only
// where it is known who tor is.
func TestOrphans(t *testing.T) {
	aboutMark := func(rule string) bool { return strings.Contains(rule, "0x6000000/") }
	for name, in := range scenarios() {
		set := mustCompile(t, in)
		for _, f := range Families() {
			var let []string
			for _, table := range []string{"filter", "mangle", "nat"} {
				tab, _ := set.Table(f, table)
				for _, c := range tab.Chains {
					for _, rule := range c.Rules {
						if aboutMark(rule) || strings.Contains(rule, "--socket-exists") {
							let = append(let, c.Name+" "+rule)
						}
					}
				}
			}
			want := []string{
				chainOutput + " -p tcp -m connmark --mark 0x6000000/0xf000000 -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL" +
					" -m owner ! --socket-exists -j RETURN",
				chainOutput + " -p tcp -m connmark --mark 0x6000000/0xf000000 -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL" +
					" -m tcp --tcp-flags RST RST -j RETURN",
				chainOutput + " -p tcp -m connmark --mark 0x6000000/0xf000000 -m conntrack --ctdir ORIGINAL -j " + chainRefuse,
				chainOwn + " -p tcp -m owner --uid-owner 971 -j CONNMARK --set-xmark 0x6000000/0xf000000",
			}
			if f == IPv6 { // a reset without a connection has no socket there
				want = slices.Delete(want, 1, 2)
			}
			if in.tor().UID == 0 {
				want = nil
			}
			if !slices.Equal(let, want) {
				t.Errorf("%s, %v: %q, want %q", name, f, let, want)
			}
		}
	}
}

// The mark is no policy's, and none of the rules for what leaves in clear is about it.
func TestCarriedIsNoPolicy(t *testing.T) {
	for _, p := range []Policy{Tor, Onion, Direct, Block, Portal} {
		if p == carried {
			t.Errorf("%v has the mark of tor's connections", p)
		}
	}
	mark, mask, err := parseMark(strings.TrimPrefix(free, "-m connmark --mark "))
	if err != nil || carried.Mark()&mask == mark || carried.Mark()&^MarkMask != 0 || carried.valid() {
		t.Errorf("%q matches tor's connections, or is none: %v", free, err)
	}
}
