package machines

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestSourcesForAnotherRelease(t *testing.T) {
	const targets = `http://mirror.example/debian bookworm main
http://mirror.example/debian bookworm contrib
http://mirror.example/debian bookworm-updates main
http://mirror.example/debian-security bookworm-security main
http://packages.example/node nodistro main
http://mirror.example/debian bookwormish main
http://mirror.example/debian bookworm main
`
	got := sourcesFor(targets, "bookworm", "trixie")
	want := []string{
		"deb http://mirror.example/debian trixie main",
		"deb http://mirror.example/debian trixie-updates main",
		"deb http://mirror.example/debian-security trixie-security main",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the sources are %q, want %q", got, want)
	}
	if got := sourcesFor(targets, "", "trixie"); len(got) > 0 {
		t.Errorf("a machine whose release nobody knows has %q", got)
	}
}

func TestFetchingKeepsProxies(t *testing.T) {
	const dump = `Acquire "";
Acquire::IndexTargets::deb::Packages::Optional "0";
Acquire::http::Proxy "http://proxy.example:3142";
Acquire::Changelogs::AlwaysOnline "";
`
	want := "Acquire \"\";\nAcquire::http::Proxy \"http://proxy.example:3142\";\n"
	if got := string(fetching([]byte(dump))); got != want {
		t.Errorf("kept is %q, want %q", got, want)
	}
}

func TestOSRelease(t *testing.T) {
	const text = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=trixie\nVERSION_ID=\"13\"\n"
	for key, want := range map[string]string{"VERSION_CODENAME": "trixie", "VERSION_ID": "13", "VERSION": ""} {
		if got := osRelease(text, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// A root of other packages is another root.
func TestKeyNamesThePackages(t *testing.T) {
	before := Releases[0].key()
	defer func(p []string) { packages = p }(packages)
	packages = append(slices.Clone(packages), "one-more")
	if after := Releases[0].key(); after == before || Releases[1].key() == after {
		t.Errorf("the keys are %s, %s and %s", before, after, Releases[1].key())
	}
}

// A root with a kernel has what keeps its clock in the place of Debian's own,
// and a name that `make dialects` does not find.
func TestRootWithKernel(t *testing.T) {
	r := Releases[0].WithKernel("chrony")
	list := r.packages()
	if slices.Contains(list, ownTimeDaemon) || !slices.Contains(list, "chrony") || len(list) != len(packages)+2 ||
		!slices.Contains(packages, ownTimeDaemon) {
		t.Errorf("it is made of %q", list)
	}
	if key := r.key(); !strings.HasPrefix(key, "bookworm-kernel.") || key == Releases[0].WithKernel(ownTimeDaemon).key() {
		t.Errorf("it is named %s", key)
	}
}

// What makes a root and is stopped half-way leaves no mount, by which removing
// the half would empty a directory of this system.
func TestMountsOfARootAreItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	if out, err := ownMounts(t.Context(), "mount", "-t", "tmpfs", "none", dir).CombinedOutput(); err != nil {
		t.Fatalf("mounting: %v: %s", err, out)
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), dir) {
		t.Errorf("%s is mounted here", dir)
	}
}
