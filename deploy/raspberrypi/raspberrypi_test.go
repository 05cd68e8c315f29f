package raspberrypi

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// start runs the first start's script, with programs that write down what they
// were asked. It returns the label, and what was asked.
func start(t *testing.T, dir string, tunic string) (label, asked string) {
	t.Helper()
	bin := filepath.Join(dir, "bin")
	log := filepath.Join(dir, "asked")
	programs := map[string]string{"tunic": tunic, "chpasswd": "cat >>" + log, "chage": "echo chage $* >>" + log}
	for name, script := range programs {
		write(t, filepath.Join(bin, name), "#!/bin/sh\n"+script+"\n")
	}
	cmd := exec.Command("sh", "image/firstboot/firstboot", filepath.Join(dir, "boot"), filepath.Join(dir, "state"),
		filepath.Join(dir, "tunic.toml"))
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	t.Logf("%v %s", err, out)
	text, _ := os.ReadFile(filepath.Join(dir, "boot", "tunic-label.txt"))
	words, _ := os.ReadFile(log)
	return string(text), string(words)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// works is a tunic that makes each access point, and keeps the answers.
const works = `case "$*" in *--undo) exit 1;; esac
cat >$(dirname $0)/../answers
echo "  - whoever joins x gets an address, and this box, 192.168.88.1, as gateway and DNS server"`

func newBox(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "state", "owner"), "owner\n")
	write(t, filepath.Join(dir, "boot", "kernel.img"), "")
	return dir
}

func TestFirstStart(t *testing.T) {
	dir := newBox(t)
	if label, asked := start(t, dir, works); !strings.Contains(label, "country=XX") || asked != "" {
		t.Fatalf("without a country: %q, %q", label, asked)
	}
	write(t, filepath.Join(dir, "boot", "tunic.txt"), "# mine\r\ncountry=de\r\n")
	label, asked := start(t, dir, works)
	m := regexp.MustCompile(`Wi-Fi: +(tunic-[a-z2-9]{4})\r\nPassword: +(\S{19})\r\n(?s:.*)ssh owner@192.168.88.1\r\n` +
		`One-time code of owner: +(\S{19})\r\n`).FindStringSubmatch(label)
	if m == nil {
		t.Fatalf("the label: %q", label)
	}
	answers, _ := os.ReadFile(filepath.Join(dir, "answers"))
	if want := "wlan0\nde\n" + m[1] + "\n" + m[2] + "\nyes\n"; string(answers) != want {
		t.Errorf("the answers: %q, want %q", answers, want)
	}
	if want := "owner:" + m[3] + "\nchage -d 0 owner\n"; asked != want {
		t.Errorf("asked: %q, want %q", asked, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "state", "secrets*")); len(left) > 0 {
		t.Errorf("secrets are left: %q", left)
	}
	if again, _ := start(t, dir, works); again != label {
		t.Errorf("at the next start: %q", again)
	}
	write(t, filepath.Join(dir, "tunic.toml"), "")
	if again, _ := start(t, dir, works); again != "" {
		t.Errorf("the box is a gateway, and the label is there: %q", again)
	}
}

// A start that was not finished is followed by one with the same secrets, and
// every box has its own.
func TestFirstStartIsRepeated(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		dir := newBox(t)
		write(t, filepath.Join(dir, "boot", "tunic.txt"), "country=FR")
		label, asked := start(t, dir, "echo there is no radio; exit 1")
		if !strings.Contains(label, "there is no radio") || asked != "" {
			t.Fatalf("it failed: %q, %q", label, asked)
		}
		secrets, _ := os.ReadFile(filepath.Join(dir, "state", "secrets"))
		label, _ = start(t, dir, works)
		for line := range strings.Lines(string(secrets)) {
			_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if !strings.Contains(label, value) || seen[value] {
				t.Errorf("%q is not on the label, or another box has it: %q", value, label)
			}
			seen[value] = true
		}
	}
}
