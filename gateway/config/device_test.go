package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// household writes a configuration with so many devices, of which none has a policy.
func household(t *testing.T, devices int) (Paths, func(name, text string)) {
	t.Helper()
	p := NewPaths(t.TempDir())
	write := func(name, text string) {
		path := filepath.Join(p.Etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("tunic.toml", "[household]\ninterfaces = [\"br-lan\"]\ndefault-policy = \"tor\"\n")
	for i := range devices {
		write(fmt.Sprintf("devices/d%d.toml", i), fmt.Sprintf("mac = \"02:00:00:00:01:%02x\"\n", i))
	}
	return p, write
}

// A device is what its file says now, whatever was read before.
func TestDevicesAreReadAgain(t *testing.T) {
	p, write := household(t, 3)
	read := func() string {
		c, err := Load(p)
		if err != nil {
			return err.Error()
		}
		var words []string
		for _, d := range c.Devices {
			words = append(words, d.Name+" "+d.MAC[15:]+" "+string(d.Policy))
		}
		return strings.Join(words, ", ")
	}
	want := func(what string) {
		t.Helper()
		for range 2 { // the second knows the texts
			if got := read(); got != what {
				t.Errorf("read %q, want %q", got, what)
			}
		}
	}
	want("d0 00 tor, d1 01 tor, d2 02 tor")
	write("devices/d1.toml", "mac = \"02:00:00:00:01:01\"\npolicy = \"block\"\n")
	want("d0 00 tor, d1 01 block, d2 02 tor")
	write("tunic.toml", "[household]\ninterfaces = [\"br-lan\"]\ndefault-policy = \"direct\"\n")
	want("d0 00 direct, d1 01 block, d2 02 direct")
	if err := os.Rename(filepath.Join(p.Etc, "devices/d2.toml"), filepath.Join(p.Etc, "devices/a.toml")); err != nil {
		t.Fatal(err)
	}
	want("a 02 direct, d0 00 direct, d1 01 block")
	write("devices/twin.toml", "mac = \"02:00:00:00:01:01\"\npolicy = \"block\"\n") // a text that is known
	for range 2 {
		if got := read(); !strings.Contains(got, "twin.toml:1: mac: 02:00:00:00:01:01 is also the address in devices/d1.toml") {
			t.Errorf("of two files for one device it says %q", got)
		}
	}
	write("devices/twin.toml", "mac = \"02:00:00:00:01:07\"\nspeed = 1\n")
	for range 2 {
		if got := read(); !strings.Contains(got, "twin.toml:2: speed") {
			t.Errorf("of a file with a mistake it says %q", got)
		}
	}
}

// Files of devices with texts that were read before are not parsed.
func TestKnownDevicesCostLittle(t *testing.T) {
	p, _ := household(t, 200)
	load := func() {
		if _, err := Load(p); err != nil {
			t.Fatal(err)
		}
	}
	again := testing.AllocsPerRun(5, load)
	first := testing.AllocsPerRun(5, func() { deviceTexts.Store(nil); load() })
	if again > first/2 {
		t.Errorf("a second reading allocates %.0f times, the first %.0f", again, first)
	}
}
