//go:build lab

package xmpp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is what tor is to Prosody: SOCKS5 without authentication, names only.
type proxy struct {
	mu    sync.Mutex
	deaf  bool // what the far side says does not come back
	conns []net.Conn
	slow  time.Duration  // before it dials
	dials map[string]int // by the name of the onion
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", socksPort))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{dials: make(map[string]int)}
	t.Cleanup(func() { ln.Close(); p.cut() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	head := make([]byte, 3)
	if _, err := io.ReadFull(r, head); err != nil {
		return
	}
	c.Write([]byte{5, 0})
	request := make([]byte, 5)
	if _, err := io.ReadFull(r, request); err != nil {
		return
	}
	name := make([]byte, int(request[4])+2)
	if _, err := io.ReadFull(r, name); err != nil {
		return
	}
	onion := string(name[:len(name)-2])
	p.mu.Lock()
	p.dials[onion]++
	slow := p.slow
	p.mu.Unlock()
	time.Sleep(slow)
	to := map[string]string{onionA: addrA, onionB: addrB}[onion]
	far, err := net.Dial("tcp", net.JoinHostPort(to, fmt.Sprint(serverPort)))
	if err != nil {
		c.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.conns = append(p.conns, c, far)
	p.mu.Unlock()
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { io.Copy(far, r); far.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		deaf := p.deaf
		p.mu.Unlock()
		if !deaf {
			c.Write(buf[:n])
		}
	}
}

func (p *proxy) setDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
