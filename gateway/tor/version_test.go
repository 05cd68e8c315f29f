package tor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"Tor version 0.4.9.11.\nThis build of Tor is...":       {0, 4, 9, 11},
		"Tor version 0.4.8.0-alpha-dev (git-0123456789abc).\n": {0, 4, 8, 0},
		"Tor version 1.0.0.1":                                  {1, 0, 0, 1},
	} {
		if got, err := parseVersion(text); err != nil || got != want {
			t.Errorf("parseVersion(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", "tor 0.4.9.11", "Tor version ", "Tor version 0.4.9", "Tor version 0.4.9.x",
		"Tor version 0.4.-9.1", "Tor version 0.4.9.11.2"} {
		if got, err := parseVersion(text); err == nil {
			t.Errorf("parseVersion(%q) = %v", text, got)
		}
	}
}

func TestVersionOrder(t *testing.T) {
	rising := []Version{{0, 3, 5, 18}, {0, 4, 7, 13}, {0, 4, 8, 0}, {0, 4, 8, 1}, {0, 4, 10, 0}, {1, 0, 0, 0}}
	for i, a := range rising {
		for j, b := range rising {
			if a.Less(b) != (i < j) {
				t.Errorf("%v.Less(%v) = %v", a, b, a.Less(b))
			}
		}
	}
}

func TestFindVersion(t *testing.T) {
	if v, err := FindVersion(t.Context(), fakeBinary(t, "0.4.9.11", 0)); err != nil || v.String() != "0.4.9.11" {
		t.Errorf("FindVersion = %v, %v", v, err)
	}
	_, err := FindVersion(t.Context(), fakeBinary(t, "0.4.8.22", 0))
	var old *TooOldError
	if !errors.As(err, &old) || old.Have != (Version{0, 4, 8, 22}) || !strings.Contains(err.Error(), "needs 0.4.9.0") {
		t.Errorf("an old tor: %v", err)
	}
	_, err = FindVersion(t.Context(), filepath.Join(t.TempDir(), "tor"))
	if !errors.Is(err, ErrNoTor) || !strings.Contains(err.Error(), "install the package tor") {
		t.Errorf("no tor: %v", err)
	}
	if _, err = FindVersion(t.Context(), "/bin/echo"); err == nil || errors.Is(err, ErrNoTor) {
		t.Errorf("another program: %v", err)
	}
}

func TestOld(t *testing.T) {
	for version, old := range map[string]bool{"0.4.9.11": true, "0.4.9.13": true, "0.4.9.14": false, "0.4.9.15": false, "0.5.0.1": false,
		"": false} {
		if got := (Status{Running: true, Version: version}).Old(); (got != "") != old || old && !strings.Contains(got, version) {
			t.Errorf("%s: %q", version, got)
		}
	}
	if got := (Status{Version: "0.4.9.11"}).Old(); got != "" {
		t.Errorf("without a process: %q", got)
	}
}

// fakeBinary is a program that knows its version, and answers everything else
// (--verify-config) with a complaint in tor's form and an exit status.
func fakeBinary(t *testing.T, version string, status byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tor")
	script := "#!/bin/sh\ncase $1 in --version) echo 'Tor version " + version + ".';;\n" +
		"*) echo 'Jan 01 00:00:00.000 [warn] Failed to parse/validate config: it is fake'; exit " + string('0'+status) + ";; esac\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
