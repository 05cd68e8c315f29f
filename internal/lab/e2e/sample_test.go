//go:build lab

package e2e

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/sample"
)

// samples: both processes, which have their limits and users, can tell what they do; nobody else
// can read it, and no file that is there is lost.
func samples(w *world) {
	dir := w.TempDir()
	for process, waits := range map[string]string{"serve": "tunic/gateway/serve.(*Server).Run", "parent": "tunic/gateway.(*Gateway).Run"} {
		for _, kind := range sample.Kinds {
			path := filepath.Join(dir, process+"-"+string(kind))
			w.must("gateway", "tunic", "sample", string(kind), "--of", process, "--seconds", "1", "--out", path)
			text := w.profile(path)
			if kind == sample.Goroutines && !strings.Contains(text, waits) {
				w.Errorf("%s: %s is not among the goroutines", process, waits)
			}
			for _, secret := range []string{w.must("gateway", "tunic", "address", "home"), "PRIVATE KEY"} {
				if strings.Contains(text, strings.TrimSuffix(secret, ".onion")) {
					w.Errorf("the profile %s of %s has %q", kind, process, secret)
				}
			}
		}
	}
	there := filepath.Join(dir, "serve-cpu")
	before := w.profile(there)
	if r := w.exec("gateway", "tunic", "sample", "cpu", "--seconds", "1", "--out", there); r.Code != 2 || w.profile(there) != before {
		w.Errorf("over a file that is there: status %d, %s", r.Code, r.Stderr)
	}
}

// profile is what a profile says, which only its owner may read.
func (w *world) profile(path string) string {
	w.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		w.Errorf("%s may be read by %v, %v", path, info.Mode(), err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		w.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(text), "nanoseconds") && !strings.Contains(string(text), "bytes") &&
		!strings.Contains(string(text), "goroutine") {
		w.Errorf("%s is no profile: %v", path, err)
	}
	return string(text)
}
