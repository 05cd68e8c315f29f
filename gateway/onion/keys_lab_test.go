//go:build lab

package onion

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestTorAcceptsKeys lets a real tor, under the uid that tunic gives it and
// without a network, derive the address from our secret key file alone.
func TestTorAcceptsKeys(t *testing.T) {
	account, err := user.Lookup("tunic-tor")
	if err != nil {
		t.Fatalf("%v: run useradd --system --no-create-home --shell /usr/sbin/nologin tunic-tor", err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	base, err := os.MkdirTemp("", "tunic-tt-keys-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	mustChmod(t, base, 0o711)
	dir, data := filepath.Join(base, "home"), filepath.Join(base, "data")
	address, err := EnsureKeys(dir, uid, gid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, uid, gid); err != nil {
		t.Fatal(err)
	}
	mustRemove(t, filepath.Join(dir, hostnameFile), filepath.Join(dir, publicFile))

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	torrc := filepath.Join(base, "torrc")
	mustWrite(t, torrc, "")
	mustChmod(t, torrc, 0o644)
	cmd := exec.CommandContext(ctx, "tor", "-f", torrc, "--defaults-torrc", torrc, "--DataDirectory", data,
		"--DisableNetwork", "1", "--SocksPort", "0", "--HiddenServiceDir", dir, "--HiddenServicePort", "80 unix:"+base+"/s")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
		Cloneflags: syscall.CLONE_NEWNET,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var name []byte
	for len(name) == 0 && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
		name, _ = os.ReadFile(filepath.Join(dir, hostnameFile))
	}
	cancel()
	_ = cmd.Wait() // it was killed
	if got := string(bytes.TrimSpace(name)); got != address.Host() {
		t.Fatalf("tor says %q, we say %q; its output:\n%s", got, address.Host(), &output)
	}
	if again, err := EnsureKeys(dir, uid, gid); err != nil || again != address {
		t.Errorf("after tor: %q, %v", again, err)
	}
}
