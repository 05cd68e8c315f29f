//go:build lab

package e2e

import (
	"net"
	"slices"

	"tunic/internal/leaktest"
)

// leakTestRouter: a device that answers DHCP with itself as the router makes a
// red line, and is named (L31).
func leakTestRouter(w *world) {
	defer w.rogue()()
	r, code := w.leaks()
	i := slices.IndexFunc(r.Classes, func(c leaktest.Result) bool { return c.ID == leaktest.RouterID })
	if code != 1 || i < 0 || !r.Classes[i].Leaks() {
		w.Fatalf("status %d: %+v", code, r)
	}
	want := leaktest.Answer{By: "DHCP", From: addr(laptop4)}
	if !slices.ContainsFunc(r.Answers, func(a leaktest.Answer) bool {
		return a.By == want.By && a.From == want.From && len(a.Routers) == 1 && a.Routers[0] == addr(laptop4)
	}) {
		w.Errorf("answers: %+v", r.Answers)
	}
	for n, c := range r.Classes {
		if n != i && c.Leaks() {
			w.Errorf("%s leaks", c.Name)
		}
	}
}

// rogue has the laptop offer addresses, and itself as router and DNS server
// (RFC 2131).
func (w *world) rogue() (stop func()) {
	w.Helper()
	var conn net.PacketConn
	err := w.laptop.Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", ":67")
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		m := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(m)
			if err != nil {
				return // closed by stop
			}
			if n < 240 {
				continue
			}
			offer := append(slices.Clone(m[:240]), 53, 1, 2, 3, 4, 192, 168, 77, 11, 6, 4, 192, 168, 77, 11, 255)
			offer[0] = 2
			_, _ = conn.WriteTo(offer, &net.UDPAddr{IP: net.IPv4bcast, Port: 68}) // it is not missed if it fails: the test looks for it
		}
	}()
	return func() { conn.Close() }
}
