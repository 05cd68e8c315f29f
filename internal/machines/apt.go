package machines

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// aptSources returns lines of sources.list for a Debian release, with the
// mirror that this machine has for its own.
func aptSources(ctx context.Context, codename string) ([]string, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return nil, fmt.Errorf("finding this machine's Debian: %w", err)
	}
	own := osRelease(string(release), "VERSION_CODENAME")
	targets, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
		"Created-By: Packages").Output()
	if err != nil {
		return nil, fmt.Errorf("asking apt for its mirrors: %w", err)
	}
	sources := sourcesFor(string(targets), own, codename)
	if len(sources) == 0 {
		return nil, fmt.Errorf("asking apt for its mirrors: none has %q, the release of this machine", own)
	}
	return sources, nil
}

// osRelease finds a value in the text of os-release(5).
func osRelease(text, key string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// sourcesFor turns `apt-get indextargets` of a machine with the release own
// into sources of another: "URI bookworm-security main" is one line of it.
func sourcesFor(targets, own, other string) []string {
	var sources []string
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "main" || own == "" {
			continue
		}
		if suffix, ok := strings.CutPrefix(f[1], own); ok && (suffix == "" || suffix[0] == '-') {
			sources = append(sources, fmt.Sprintf("deb %s %s%s main", f[0], other, suffix))
		}
	}
	slices.Sort(sources)
	return slices.Compact(sources)
}

// aptSettings writes how this machine's apt fetches, a proxy for example, into
// a file for mmdebstrap, and returns its name.
func aptSettings(ctx context.Context) (string, error) {
	dump, err := exec.CommandContext(ctx, "apt-config", "dump", "Acquire").Output()
	if err != nil {
		return "", fmt.Errorf("asking apt for its settings: %w", err)
	}
	f, err := os.CreateTemp("", "tunic-apt")
	if err != nil {
		return "", fmt.Errorf("writing the settings of apt: %w", err)
	}
	_, err = f.Write(fetching(dump))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("writing the settings of apt: %w", err)
	}
	return f.Name(), nil
}

// fetching keeps the settings that say how to fetch, not what.
func fetching(dump []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(dump) {
		if !bytes.HasPrefix(line, []byte("Acquire::IndexTargets")) && !bytes.HasPrefix(line, []byte("Acquire::Changelogs")) {
			kept = append(kept, line...)
		}
	}
	return kept
}
