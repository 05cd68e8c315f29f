package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

var committed = time.Date(2026, 11, 29, 20, 14, 32, 0, time.UTC)

func TestDebianVersion(t *testing.T) {
	for version, want := range map[string]string{
		"620dc49":                "0~git20261129201432.620dc49",
		"6200049":                "0~git20261129201432.6200049",
		"620dc49-dirty":          "0~git20261129201432.620dc49+dirty",
		"v1.2.3":                 "1.2.3",
		"1.2":                    "1.2",
		"v1.2.3-dirty":           "1.2.3+dirty",
		"v1.2.3-rc1":             "1.2.3~rc1",
		"v1.2.3-rc.1-7-gabcdef0": "1.2.3~rc.1+7.gabcdef0",
		"v1.2.3-4-g620dc49":      "1.2.3+4.g620dc49",
	} {
		if have, err := debianVersion(version, committed); err != nil || have != want {
			t.Errorf("%s became %q, not %q: %v", version, have, want, err)
		}
	}
	for _, version := range []string{"", "development", "v1.2.3 ", "main", "v1_2", "1.2.3-4"} {
		if have, err := debianVersion(version, committed); err == nil {
			t.Errorf("%q became %q", version, have)
		}
	}
}

// The versions of a project, from its first commit on, in Debian's own order.
func TestDebianVersionsSort(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("there is no dpkg here")
	}
	last := ""
	for i, version := range []string{"f20dc49", "120dc49", "v0.9.0-rc1", "v0.9.0-rc1-3-g620dc49", "v0.9.0", "v0.9.0-12-g120dc49",
		"v0.10.0"} {
		next, err := debianVersion(version, committed.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("dpkg", "--validate-version", next).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", next, out)
		}
		if last != "" && exec.Command("dpkg", "--compare-versions", last, "lt", next).Run() != nil {
			t.Errorf("for dpkg %s is not before %s", last, next)
		}
		last = next
	}
}

func TestChangelog(t *testing.T) {
	text := changelog("1.2.3", committed, "ann <ann@example.org>")
	if want := " -- ann <ann@example.org>  Sun, 29 Nov 2026 20:14:32 +0000\n"; !strings.HasSuffix(text, want) {
		t.Errorf("the end is not %q:\n%s", want, text)
	}
	if !strings.HasPrefix(text, "tunic (1.2.3) unstable; urgency=medium\n\n  * ") {
		t.Errorf("the beginning:\n%s", text)
	}
}
