//go:build !race

// The race detector alone takes more memory than the server may have.

package managed

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// A server that takes more memory than it may have ends and is started again;
// others go on.
func TestMemory(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	h.spec.Memory = 256 << 20
	h.Apply([]Spec{h.spec})
	other.Apply([]Spec{other.spec})
	s, o := h.ready(), other.ready()
	c, err := net.Dial("tcp", h.spec.Probe.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "feast")
	s = h.wait("is another process", func(n Status) bool { return n.PID != s.PID && n.Ready })
	if tail, _ := h.Tail("fake"); s.Restarts != 1 ||
		!slices.ContainsFunc(tail, func(line string) bool { return strings.Contains(line, "out of memory") }) {
		t.Errorf("%+v\n%s", s, strings.Join(tail, "\n"))
	}
	if again := other.ready(); again.PID != o.PID {
		t.Error("another server has ended too")
	}
}
