//go:build lab

package roots

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// servers are the packages whose lab tests run a real server.
var servers = []string{"gateway/dovecot", "gateway/endpoint/xmpp", "gateway/endpoint/irc"}

// inside copies a package's test ($2) and its testdata into a layer above the root
// $1, which is not changed, and runs it there without any network but a loopback.
const inside = `
set -e
top=$(mktemp -d)
trap 'umount -R "$top" && rmdir "$top"' EXIT
mount -t tmpfs none "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay -o "lowerdir=$1,upperdir=$top/upper,workdir=$top/work" overlay "$top/root"
mount -t proc proc "$top/root/proc"
mount --rbind /dev "$top/root/dev"
mount -t tmpfs none "$top/root/run"
mount -t tmpfs -o mode=1777 none "$top/root/tmp"
mkdir "$top/root/test"
cp "$2" "$top/root/test/it"
cp -r "$3/testdata" "$top/root/test/"
ip link set lo up
for name in tunic tunic-mail tunic-xmpp tunic-irc; do
  chroot "$top/root" id "$name" >/dev/null 2>&1 ||
    chroot "$top/root" useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "$name"
done
chroot "$top/root" sh -c 'cd /test && exec ./it -test.v -test.timeout 20m'
`

// TestRoots needs root, and TUNIC_ROOTS: directories with a Debian each, between
// colons. The servers of this machine are tested by their own packages.
func TestRoots(t *testing.T) {
	roots := filepath.SplitList(os.Getenv("TUNIC_ROOTS"))
	if len(roots) == 0 {
		t.Skip("TUNIC_ROOTS names no root: `make dialects TUNIC_ROOTS=DIR:DIR` runs this")
	}
	for _, server := range servers {
		source := filepath.Join("../../..", server)
		binary := filepath.Join(t.TempDir(), "test")
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "lab", "-o", binary, "./"+source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // the root has another C library
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, root := range roots {
			t.Run(filepath.Base(root)+"/"+filepath.Base(server), func(t *testing.T) {
				out, err := exec.CommandContext(t.Context(), "unshare", "-m", "-n", "-p", "-f", "--kill-child",
					"bash", "-c", inside, "inside", root, binary, source).CombinedOutput()
				t.Logf("%s", out)
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
