//go:build lab

package gopher

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// BenchmarkRequests asks our server and gophernicus, which is started for each
// connection as a socket unit does, for the same menu and the same text. Read
// the two as a ratio.
func BenchmarkRequests(b *testing.B) {
	files := map[string]string{"text.txt": strings.Repeat("a line of the text\n", 200)}
	for i := range 30 {
		files[fmt.Sprintf("file%02d.txt", i)] = "x\n"
	}
	ours := listen(b, newServer(b, files)).String()
	theirs := gophernicus(b, files)
	for _, what := range []struct{ name, selector string }{{"menu", "/"}, {"text", "/text.txt"}} {
		for _, server := range []struct{ name, addr string }{{"tunic", ours}, {"gophernicus", theirs}} {
			b.Run(what.name+"/"+server.name, func(b *testing.B) {
				b.SetParallelism(4)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						fetch(b, server.addr, what.selector)
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			})
		}
	}
}

func fetch(b *testing.B, addr, selector string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "%s\r\n", selector)
	if got, err := io.ReadAll(c); err != nil || len(got) < 500 {
		b.Errorf("%d bytes of %s: %v", len(got), selector, err)
	}
}

const nobody = 65534

// gophernicus serves the files, as a user that it does not refuse to run as.
func gophernicus(b *testing.B, files map[string]string) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "hole")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f, err := c.(*net.TCPConn).File()
				if err != nil {
					return
				}
				defer f.Close()
				cmd := exec.Command("/usr/sbin/gophernicus", "-nf", "-nl", "-r", dir, "-h", "127.0.0.1")
				cmd.Stdin, cmd.Stdout = f, f
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
				_ = cmd.Run() // what it says is compared by its reader
			}()
		}
	}()
	return ln.Addr().String()
}
