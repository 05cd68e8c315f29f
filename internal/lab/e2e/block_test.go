//go:build lab

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// listsPort is where the nas serves a block list.
const listsPort = "8084"

// blocked has the box block a name by a file, and another by a list that it fetches
// through Tor, from an onion: neither exists for the phone, and no exit is asked.
func blocked(w *world) {
	l, err := w.nas.Listen(w.ctx, "[::]:"+listsPort)
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(rw, "! a list\n||www.example^\n||ads.example^\n@@||good.ads.example^")
	}))
	address := w.publish("lists", "80="+nas4+":"+listsPort)
	defer w.must("gateway", "tunic", "unpublish", "lists")
	file := filepath.Join(w.TempDir(), "ads.txt")
	for dir := filepath.Dir(file); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755) // the user tunic has to get there
	}
	w.write(file, "0.0.0.0 v4.example\n")
	begin := time.Now()
	w.configure(fmt.Sprintf("\n[dns]\nblock = [%q, %q]\n", file, "http://"+address+"/list"), func() {
		w.must("gateway", "tunic", "reload")
		w.eventually("both lists are in force", time.Minute, func() bool {
			return w.rcode("v4.example") == dns.RcodeNameError && w.rcode("www.example") == dns.RcodeNameError
		})
		w.timed("a block list through Tor is in force", time.Since(begin))
		before := w.queries()
		for _, name := range []string{"v4.example", "www.example", "x.ads.example"} {
			if got := w.rcode(name); got != dns.RcodeNameError {
				w.Errorf("%s: %s", name, dns.RcodeToString[got])
			}
		}
		if got := w.rcode("web.example"); got != dns.RcodeSuccess {
			w.Errorf("a name on no list: %s", dns.RcodeToString[got])
		}
		for _, q := range w.queries()[len(before):] {
			if strings.HasPrefix(q.Name, "v4.") || strings.HasPrefix(q.Name, "www.") || strings.Contains(q.Name, "ads.") {
				w.Errorf("an exit asked for %s", q.Name)
			}
		}
		if s := w.status().Household.Served; s.Blocked < 3 {
			w.Errorf("%d are counted", s.Blocked)
		}
	})
	if got := w.rcode("v4.example"); got != dns.RcodeSuccess {
		w.Errorf("without lists: %s", dns.RcodeToString[got])
	}
}

// rcode is what the box answers the phone about a name's address, -1 for nothing.
func (w *world) rcode(name string) int {
	reply, err := w.question(w.phone, "udp", box4, name, dns.TypeA, 5*time.Second)
	if err != nil {
		return -1
	}
	return reply.Rcode
}
