package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkLoad reads a house of a thousand devices, 50 onions and 50 friends again.
func BenchmarkLoad(b *testing.B) {
	p := NewPaths(b.TempDir())
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	write(p.Main(), "[household]\ninterfaces = [\"br-lan\"]\ndefault-policy = \"tor\"\n")
	for i := range 1000 {
		write(filepath.Join(p.DeviceDir(), fmt.Sprintf("d%d.toml", i)), fmt.Sprintf("mac = \"02:00:00:01:%02x:%02x\"\n", i>>8, i&0xff))
	}
	for i := range 50 {
		write(p.OnionFile(fmt.Sprint("o", i)), fmt.Sprintf("[ports]\n80 = \"192.168.77.20:%d\"\n", 8000+i))
	}
	for b.Loop() {
		if _, err := Load(p); err != nil {
			b.Fatal(err)
		}
	}
}
