//go:build lab

package gopher

import (
	"context"
	"fmt"
	"io"

	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// run returns what a Gopher client prints. No proxy of the environment is used.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "TERM=dumb", "LANG=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestRealClients asks with lynx and curl.
func TestRealClients(t *testing.T) {
	binary := string([]byte{0, 1, 2, '\n', '.', '\n', 0xff})
	base := "gopher://" + listen(t, newServer(t, map[string]string{
		"welcome.txt":         "Hello from the box\n.dot\n",
		"a dir/data.bin":      binary,
		"a dir/note.txt":      "onion soup\n",
		"mapped/gophermap":    "Written by hand\n0A note\t/a dir/note.txt\n",
		"mapped/.not-for-you": "x",
	})).String()

	tests := []struct {
		name, client string
		args         []string
		want         []string
	}{
		{"lynx, menu", "lynx", []string{"-dump", base + "/"},
			[]string{"a dir", "welcome.txt", "Search", base + "/0/welcome.txt", base + "/1/mapped"}},
		{"lynx, text", "lynx", []string{"-dump", base + "/0/welcome.txt"}, []string{"Hello from the box"}},
		{"lynx, gophermap", "lynx", []string{"-dump", base + "/1/mapped"},
			[]string{"Written by hand", "A note", base + "/0/a dir/note.txt"}},
		{"lynx, search", "lynx", []string{"-dump", base + "/7/search?soup"}, []string{"a dir/note.txt", base + "/0/a dir/note.txt"}},
		{"curl, menu", "curl", []string{"-sS", base + "/"}, []string{"1a dir\t/a dir\t127.0.0.1\t", "\r\n.\r\n"}},
		{"curl, text", "curl", []string{"-sS", base + "/0/welcome.txt"}, []string{"Hello from the box\r\n..dot\r\n.\r\n"}},
		{"curl, search", "curl", []string{"-sS", base + "/7/search%09soup"}, []string{"0a dir/note.txt\t/a dir/note.txt\t127.0.0.1\t"}},
		{"curl, escapes", "curl", []string{"-sS", base + "/0/%2e%2e/%2e%2e/etc/passwd"}, []string{"3not found\t\t127.0.0.1\t"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := run(t, tt.client, tt.args...)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if strings.Contains(out, "not-for-you") || strings.Contains(out, "root:") {
				t.Errorf("it shows too much:\n%s", out)
			}
		})
	}
	if out := run(t, "curl", "-sS", base+"/9/a%20dir/data.bin"); out != binary {
		t.Errorf("curl got %q of the binary file, want %q", out, fmt.Sprint(binary))
	}
}

// TestTerminalClients looks at what sacc and gopher(1), which want a terminal,
// draw on one.
func TestTerminalClients(t *testing.T) {
	addr := listen(t, newServer(t, map[string]string{
		"welcome.txt":       "Hello from the box\n",
		"Zwiebelkühe/x.txt": "x",
		"gophermap":         "!A hole\nWritten by hand\n*\n",
	}))
	for client, words := range map[string]string{
		"sacc":   fmt.Sprintf("sacc gopher://127.0.0.1:%d/", addr.Port),
		"gopher": fmt.Sprintf("gopher 127.0.0.1 %d", addr.Port),
	} {
		t.Run(client, func(t *testing.T) {
			for _, want := range []string{"Written by hand", "welcome.txt", "Zwiebelk"} {
				draws(t, words, want)
			}
		})
	}
}

// draws runs a program on a terminal until it shows a text. RETURN takes away
// whatever it says first.
func draws(t *testing.T, words, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qec", "stty rows 30 cols 100; exec "+words, "/dev/null")
	cmd.Env = append(os.Environ(), "TERM=xterm", "LANG=C.UTF-8", "HOME="+t.TempDir())
	cmd.WaitDelay = time.Second
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for ctx.Err() == nil {
			time.Sleep(time.Second)
			io.WriteString(keys, "\r")
		}
	}()
	var all []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(all), want) {
		n, err := screen.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			t.Errorf("%s does not show %q: %v\n%q", words, want, err, all)
			break
		}
	}
	cancel()
	_ = cmd.Wait() // it was killed
}
