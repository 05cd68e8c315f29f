//go:build lab

package e2e

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"tunic/internal/lab"
)

// others has something go from each relay to each other, every two seconds, until
// stop is called, by a tor that does nothing else: as in the real network, where
// they carry other people's circuits all the time. In the lab there are none, and a
// relay of tor 0.4.9 that is just writing to the next one when a circuit ends
// keeps that end (DESTROY) until something else goes the same way: a visitor
// whose circuit was closed has been seen to send into it for five minutes, and to
// hear of it at once when another circuit was built through the same relays
// (decisions 35 and 38).
func (v *visitor) others() (stop func()) {
	v.Helper()
	c, err := net.Dial("unix", v.control())
	if err == nil {
		_, err = io.WriteString(c, "AUTHENTICATE\r\n")
	}
	if err != nil {
		v.Fatal(err)
	}
	go func() { // a circuit has served when it is built
		for lines := bufio.NewScanner(c); lines.Scan(); {
			if id, found := strings.CutPrefix(lines.Text(), "250 EXTENDED "); found {
				time.AfterFunc(time.Second, func() { _, _ = io.WriteString(c, "CLOSECIRCUIT "+id+"\r\n") })
			}
		}
	}()
	go func() {
		for _, err := io.WriteString(c, extendAll()); err == nil; _, err = io.WriteString(c, extendAll()) {
			time.Sleep(2 * time.Second)
		}
	}()
	return func() { c.Close() }
}

func extendAll() (commands string) {
	for _, path := range everyPair() {
		commands += "EXTENDCIRCUIT 0 " + strings.Join(path, ",") + "\r\n"
	}
	return commands
}

// everyPair are paths of relays in which each has each other beside it once. A
// circuit cannot be longer than nine of them.
func everyPair() (paths [][]string) {
	var names []string
	for _, r := range lab.TorRelays() {
		names = append(names, r.Name)
	}
	n := len(names)
	for turn := range (n + 1) / 2 {
		var path []string
		for i := range n { // turn, turn-1, turn+1, turn-2, ...
			step := (i + 1) / 2
			if i%2 == 1 {
				step = n - step
			}
			path = append(path, names[(turn+step)%n])
		}
		half := n / 2
		paths = append(paths, slices.Clone(path[:half+1]), path[half:])
	}
	return paths
}
