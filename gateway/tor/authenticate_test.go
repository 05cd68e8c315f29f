package tor

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// challenged is a tor that says where its cookie is, and knows one. It says whether somebody
// has proved to know that one too.
func challenged(t *testing.T, says string, knows []byte) (socket string, proved chan bool) {
	t.Helper()
	socket, proved = filepath.Join(t.TempDir(), "control"), make(chan bool, 1)
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		conn := textproto.NewConn(c)
		nonce := bytes.Repeat([]byte{7}, cookieSize)
		var asked []byte
		proof := func(key string) []byte {
			m := hmac.New(sha256.New, []byte(key))
			m.Write(bytes.Join([][]byte{knows, asked, nonce}, nil))
			return m.Sum(nil)
		}
		for {
			line, err := conn.ReadLine()
			if err != nil {
				return
			}
			words := strings.Fields(line)
			switch words[0] {
			case "PROTOCOLINFO":
				conn.PrintfLine("250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE=%q\r\n"+
					"250-VERSION Tor=\"0.4.9.11\"\r\n250 OK", says)
			case "AUTHCHALLENGE":
				asked, _ = hex.DecodeString(words[2])
				conn.PrintfLine("250 AUTHCHALLENGE SERVERHASH=%X SERVERNONCE=%X", proof(serverToController), nonce)
			case "AUTHENTICATE":
				said, _ := hex.DecodeString(words[1])
				proved <- hmac.Equal(said, proof(controllerToServer))
				conn.PrintfLine("250 OK")
			}
		}
	}()
	return socket, proved
}

func TestAuthenticate(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cookie := bytes.Repeat([]byte{1}, cookieSize)
	right, other := write("right", cookie), write("other", bytes.Repeat([]byte{2}, cookieSize))
	for _, one := range []struct{ what, says, file, want string }{
		{"what tor says does not count: it may have been taken over", pipe, right, ""},
		{"the cookie of another tor", right, other, "does not know the cookie"},
		{"a pipe", right, pipe, "another kind of file"},
		{"too short", right, write("short", cookie[1:]), "31 bytes, not 32"},
		{"without end", right, "/dev/zero", "another kind of file"},
		{"none", right, filepath.Join(dir, "none"), "no such file"},
	} {
		socket, proved := challenged(t, one.says, cookie)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		done := make(chan error, 1)
		go func() {
			c, err := dialControl(ctx, socket, one.file, os.Getpid())
			if err == nil {
				c.close()
			}
			done <- err
		}()
		select {
		case err := <-done:
			if one.want == "" && (err != nil || !<-proved) || one.want != "" && (err == nil || !strings.Contains(err.Error(), one.want)) {
				t.Errorf("%s: %v", one.what, err)
			}
		case <-ctx.Done():
			t.Errorf("%s: it waits", one.what)
		}
		cancel()
	}
}
