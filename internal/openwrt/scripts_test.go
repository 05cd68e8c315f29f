package openwrt

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/uci"
)

// files is where the files are that a router gets.
const files = "../../deploy/openwrt/tunic/files"

// ash runs a script of busybox's, as OpenWrt does; where there is no busybox, sh does.
func ash(t *testing.T, script string, args ...string) string {
	t.Helper()
	shell := []string{"busybox", "ash"}
	if _, err := exec.LookPath("busybox"); err != nil {
		shell = []string{"sh"}
	}
	c := exec.Command(shell[0], append(append(shell[1:], "-euc", script, "ash"), args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUsers: each user is made once, with a number that nobody has, and what is there
// stays.
func TestUsers(t *testing.T) {
	root := t.TempDir()
	const passwd = "root:x:0:0:root:/root:/bin/ash\nother:x:65536:65540:other:/var:/bin/false" // its last line has no end
	const group = "root:x:0:\nother:x:65540:\nunbound:x:65537:\ntunic-mail:x:65538:ann\n"
	write(t, filepath.Join(root, "etc/passwd"), passwd)
	write(t, filepath.Join(root, "etc/group"), group)
	if err := os.Chmod(filepath.Join(root, "etc/passwd"), 0o640); err != nil {
		t.Fatal(err)
	}
	ash(t, `sh "$1" "$2"`, filepath.Join(files, "users.sh"), root)
	wantUsers := passwd + "\n" +
		"tunic:*:65539:65539:tunic:/var:/bin/false\n" +
		"tunic-tor:*:65541:65541:tunic-tor:/var:/bin/false\n" +
		"tunic-mail:*:65538:65538:tunic-mail:/var:/bin/false\n" +
		"tunic-xmpp:*:65542:65542:tunic-xmpp:/var:/bin/false\n" +
		"tunic-irc:*:65543:65543:tunic-irc:/var:/bin/false\n" +
		"tunic-i2p:*:65544:65544:tunic-i2p:/var:/bin/false\n" +
		"tunic-service:*:65545:65545:tunic-service:/var:/bin/false\n"
	if got := read(t, filepath.Join(root, "etc/passwd")); got != wantUsers {
		t.Errorf("the users are\n%swant\n%s", got, wantUsers)
	}
	wantGroups := group + "tunic:x:65539:\ntunic-tor:x:65541:\ntunic-xmpp:x:65542:\ntunic-irc:x:65543:\n" +
		"tunic-i2p:x:65544:\ntunic-service:x:65545:\n"
	if got := read(t, filepath.Join(root, "etc/group")); got != wantGroups {
		t.Errorf("the groups are\n%swant\n%s", got, wantGroups)
	}
	if info, err := os.Stat(filepath.Join(root, "etc/passwd")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v, %v", info, err)
	}
	ash(t, `sh "$1" "$2"`, filepath.Join(files, "users.sh"), root)
	if got := read(t, filepath.Join(root, "etc/passwd")); got != wantUsers {
		t.Errorf("a second time the users are\n%s", got)
	}
	left, err := filepath.Glob(filepath.Join(root, "etc/*.tunic"))
	if err != nil || len(left) > 0 {
		t.Errorf("left are %q, %v", left, err)
	}
}

// functions are OpenWrt's that the script calls, for two instances of dnsmasq.
const functions = `
config_load() { [ "$1" = dhcp ]; }
config_foreach() { "$1" cfg01 "$3"; "$1" guests "$3"; }
config_get() { if [ "$2" = guests ]; then eval "$1=\$top/own,*.conf"; else eval "$1=\$top/\${4#/tmp/}"; fi; }
`

// TestDnsmasq: each instance asks tunic and nobody else until that is taken back, and
// is started again only when something has changed.
func TestDnsmasq(t *testing.T) {
	dir := t.TempDir()
	run := func(command string) string {
		return ash(t, `top=$2; . "$1"`+functions+`dnsmasq_again() { echo "changed=$dnsmasq_changed"; }
`+command, filepath.Join(files, "dnsmasq.sh"), dir)
	}
	paths := []string{filepath.Join(dir, "dnsmasq.cfg01.d/tunic.conf"), filepath.Join(dir, "own/tunic.conf")}
	for _, command := range []string{"dnsmasq_hand_over", "dnsmasq_hand_over", "dnsmasq_give_back", "dnsmasq_give_back"} {
		_, err := os.Stat(paths[0])
		there := err == nil
		want := "changed=1\n"
		if there == (command == "dnsmasq_hand_over") {
			want = "changed=\n"
		}
		if got := run(command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			over := err == nil && strings.Contains(string(text), "\nno-resolv\nserver=127.0.0.1#9354\n")
			if over != (command == "dnsmasq_hand_over") {
				t.Errorf("after %s: %s, %v", command, text, err)
			}
		}
	}
}

// TestConfig: the configuration that comes with the package is right as soon as it is
// enabled, with the network that OpenWrt comes with.
func TestConfig(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	write(t, filepath.Join(p.Root, "etc/config/network"), "config interface 'lan'\n\toption device 'br-lan'\n")
	write(t, filepath.Join(p.Root, "etc/config/tunic"), read(t, filepath.Join(files, "tunic.config")))
	text, err := uci.Translate(p)
	if err != nil || !strings.Contains(string(text), "interfaces = [\n  \"br-lan\",\n]") {
		t.Errorf("it becomes %s, %v", text, err)
	}
	if !strings.Contains(read(t, filepath.Join(files, "tunic.config")), "option enabled '0'") {
		t.Error("the installation takes charge of the household at once")
	}
}

// TestPorts: dnsmasq is told of the port on which the resolver listens for the box.
func TestPorts(t *testing.T) {
	if config.ServeOwnDNSPort != 9354 {
		t.Errorf("dnsmasq.sh names 9354, the resolver is at %d", config.ServeOwnDNSPort)
	}
}
