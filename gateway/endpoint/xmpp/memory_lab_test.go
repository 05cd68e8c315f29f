//go:build lab

package xmpp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"tunic/gateway/managed"
	"tunic/internal/lab/onbox"
	"tunic/internal/proc"
)

// eater is a module that takes memory until it gets no more, or has four times
// what it may have: once, for the next process shall live.
const eater = `
local marker = %q
local found = io.open(marker)
if found then found:close() return end
local eaten = {}
module:add_timer(1, function ()
	local mark = io.open(marker, "w")
	if mark then mark:close() end
	if #eaten < 1024 then eaten[#eaten + 1] = ("x"):rep(2 ^ 20)..#eaten end
	return 0.001
end)
`

// eating is a spec whose server takes memory once, and marks that.
func eating(s managed.Spec, marker string) managed.Spec {
	for i, f := range s.Files {
		load := func(text string) string {
			return strings.Replace(text, "modules_enabled = {", `modules_enabled = { "tunic_eater",`, 1)
		}
		if !strings.HasSuffix(f.Path, "prosody.cfg.lua") {
			continue
		}
		s.Files[i].Text = load(f.Text)
		for n, d := range f.Newer {
			s.Files[i].Newer[n].Text = load(d.Text)
		}
	}
	s.Files = append(s.Files, managed.File{Path: s.Dir + "/mod_tunic_eater.lua", Text: fmt.Sprintf(eater, marker)})
	return s
}

// spec is how a box's server is run, with Spec and nothing else.
func (b *box) spec(name string) managed.Spec {
	b.t.Helper()
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(b.addr), port) }
	text := func(path string) string {
		pem, err := os.ReadFile(path)
		if err != nil {
			b.t.Fatal(err)
		}
		return string(pem)
	}
	s := Settings{Dir: b.dir + "/run", Data: b.conf.Data, UID: nobody, GID: nobody, Host: b.conf.Host, Clients: at(clientPort),
		Servers: at(serverPort),
		HTTP:    at(b.conf.FilesPort), PublicFiles: b.conf.PublicFilesPort, SOCKS: socksPort, Certificate: text(b.conf.Certificate),
		Key:   text(b.conf.Key),
		Peers: b.conf.Peers}.Spec()
	s.Name = name
	return s
}

// data is how much of it a process has, in bytes (proc_pid_status(5)).
func data(pid int) int64 { return proc.Number(pid, "status", "VmData") << 10 }

// TestMemory: a Prosody that wants ever more memory gets what it may have, and
// no more; then it answers again, and another one has not noticed.
func TestMemory(t *testing.T) {
	a, b := newBox(t, addrA, hostA, "alice", Peer{Host: hostB, Onion: onionB}),
		newBox(t, addrB, hostB, "bob", Peer{Host: hostA, Onion: onionA})
	for _, x := range []*box{a, b} {
		if err := os.Chmod(x.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	hungry := eating(a.spec("hungry"), a.conf.Data+"/eaten")
	m := onbox.Manager(t)
	m.Apply([]managed.Spec{hungry, b.spec("other")})
	most, began, refused := int64(0), time.Now(), false
	for !refused && time.Since(began) < time.Minute {
		most = max(most, data(m.Status()[0].PID))
		lines, _ := m.Tail("hungry")
		refused = strings.Contains(strings.Join(lines, "\n"), "not enough memory")
		time.Sleep(5 * time.Millisecond)
	}
	if !refused || most > hungry.Memory || most < hungry.Memory/2 {
		t.Errorf("after %s it has had %d bytes of data, and may have %d", time.Since(began), most, hungry.Memory)
	}
	for _, s := range m.Status() {
		c, err := net.Dial("tcp", map[string]string{"hungry": addrA, "other": addrB}[s.Name]+fmt.Sprint(":", clientPort))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		host := map[string]string{"hungry": hostA, "other": hostB}[s.Name]
		fmt.Fprintf(c, "<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "+
			"version='1.0'>", host)
		answer := make([]byte, 512)
		n, err := c.Read(answer)
		if err != nil || !strings.Contains(string(answer[:n]), "from='"+host) || s.Restarts != 0 {
			t.Errorf("%s says %q, %v: %+v", s.Name, answer[:n], err, s)
		}
	}
}
