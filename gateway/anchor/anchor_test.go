package anchor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tunic/gateway/ca"
	"tunic/gateway/durable"
	"tunic/gateway/onion"
)

var now = time.Now()

// party is an onion whose key the test has.
type party struct {
	onion.Address
	sign Sign
}

// onions are those of the keys in RFC 8032, section 7.1, tests 1 and 2.
var alice, bob = newParty("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
	newParty("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")

func newParty(seed string) party {
	b, err := hex.DecodeString(seed)
	if err != nil {
		panic(err)
	}
	key := ed25519.NewKeyFromSeed(b)
	return party{onion.FromPublicKey(key.Public().(ed25519.PublicKey)),
		func(message []byte) ([]byte, error) { return ed25519.Sign(key, message), nil }}
}

func (p party) issue(t *testing.T, at time.Time) Leaf {
	t.Helper()
	leaf, err := Issue(p.Address, p.sign, at)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// The vectors of the specification are what the program makes.
func TestVectors(t *testing.T) {
	page, err := os.ReadFile("../../docs/onion-certificates.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []party{alice, bob} {
		sum := sha256.Sum256(DER(p.Address))
		if want := fmt.Sprintf("| `%s` | `%x` | `%x` |", p.Address, []byte(p.PublicKey()), sum); !strings.Contains(string(page), want) {
			t.Errorf("the page lacks\n%s", want)
		}
	}
	if want := hex.EncodeToString(DER(alice.Address)); !strings.Contains(withoutSpace(string(page)), want) {
		t.Errorf("the page lacks the bytes\n%s", want)
	}
	if !strings.Contains(string(page), PEM(alice.Address)) {
		t.Errorf("the page lacks\n%s", PEM(alice.Address))
	}
}

func withoutSpace(s string) string { return strings.Join(strings.Fields(s), "") }

func TestAnchor(t *testing.T) {
	c, err := x509.ParseCertificate(DER(alice.Address))
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsCA || !c.MaxPathLenZero || !c.PermittedDNSDomainsCritical || !slices.Equal(c.PermittedDNSDomains, Names(alice.Address)) ||
		len(c.ExcludedIPRanges) != 2 || c.KeyUsage != x509.KeyUsageCertSign || len(c.UnhandledCriticalExtensions) != 0 ||
		!bytes.Equal(c.PublicKey.(ed25519.PublicKey), alice.PublicKey()) || c.Subject.CommonName != string(alice.Address) ||
		c.NotAfter.Year() != 9999 || !bytes.Equal(c.RawIssuer, c.RawSubject) {
		t.Errorf("the anchor is %+v", c)
	}
	if len(DER(alice.Address)) != len(DER(bob.Address)) {
		t.Error("anchors have different lengths")
	}
}

func TestLeaf(t *testing.T) {
	leaf := alice.issue(t, now)
	block, _ := pem.Decode([]byte(leaf.Cert))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.ExtKeyUsage) != 2 || bytes.Equal(c.RawIssuer, c.RawSubject) ||
		c.NotAfter.Sub(now).Round(time.Hour) != 90*24*time.Hour || !c.NotBefore.Before(now.Add(-23*time.Hour)) {
		t.Errorf("the leaf is %+v", c)
	}
	if text := fmt.Sprintf("%v %+v %#v", leaf, leaf, leaf); strings.Contains(text, "PRIVATE") {
		t.Errorf("the key is printed: %s", text)
	}
	for _, at := range []time.Time{{}, time.Unix(1000, 0)} {
		if _, err := Issue(alice.Address, alice.sign, at); !errors.Is(err, ca.ErrClock) {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if _, err := Issue(alice.Address, bob.sign, now); err == nil {
		t.Error("a leaf of alice's was signed with bob's key")
	}
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	first := mustKeep(t, dir, alice, now)
	if !first.New {
		t.Error("nothing was made")
	}
	for name, mode := range map[string]os.FileMode{KeyFile: 0o600, BothFile: 0o600, CertFile: 0o644, AnchorFile: 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != 4 {
		t.Errorf("there is %v", list)
	}
	for _, tc := range []struct {
		what string
		of   party
		at   time.Time
		made bool
	}{
		{"at once", alice, now, false},
		{"after 59 days", alice, now.Add(59 * 24 * time.Hour), false},
		{"without the time", alice, time.Time{}, false},
		{"with 30 days left", alice, now.Add(60*24*time.Hour + time.Second), true},
		{"of a clock that was ahead", alice, now, true},
		{"of a former key", bob, now, true},
	} {
		if f := mustKeep(t, dir, tc.of, tc.at); f.New != tc.made {
			t.Errorf("%s: made %v", tc.what, f.New)
		}
	}
}

func mustKeep(t *testing.T, dir string, p party, at time.Time) Files {
	t.Helper()
	f, err := Keep(dir, p.Address, p.sign, at)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What a power cut or somebody else left is made whole.
func TestKeepMakesWhole(t *testing.T) {
	dir := t.TempDir()
	mustKeep(t, dir, alice, now)
	for _, name := range []string{KeyFile, CertFile, AnchorFile, BothFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(alice.issue(t, now).Key), 0o600); err != nil {
			t.Fatal(err)
		}
		if !mustKeep(t, dir, alice, now).New || mustKeep(t, dir, alice, now).New {
			t.Errorf("another %s was not replaced, or twice", name)
		}
	}
	fake := imitation(t)
	for name, text := range map[string]string{KeyFile: fake.Key, CertFile: fake.Cert, BothFile: fake.Cert + fake.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !mustKeep(t, dir, alice, now).New {
		t.Error("a certificate that the onion's key has not signed was left there")
	}
	if err := os.Remove(filepath.Join(dir, KeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Keep(dir, alice.Address, alice.sign, time.Time{}); !errors.Is(err, ca.ErrClock) {
		t.Errorf("without the time: %v", err)
	}
}

// Whoever owns the directory, or one above it, leads root nowhere else.
func TestKeepFollowsNoLink(t *testing.T) {
	base := t.TempDir()
	outside, dir := filepath.Join(base, "outside"), filepath.Join(base, "dir")
	for _, d := range []string{outside, dir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(outside, "secret")
	link := filepath.Join(base, "link")
	if err := errors.Join(os.WriteFile(secret, []byte("x"), 0o600), os.Symlink(secret, filepath.Join(dir, KeyFile)),
		os.Symlink(secret, filepath.Join(dir, durable.Unfinished+"0")), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	mustKeep(t, dir, alice, now)
	if b, _ := os.ReadFile(secret); string(b) != "x" {
		t.Errorf("the file outside is %q", b)
	}
	if info, err := os.Lstat(filepath.Join(dir, KeyFile)); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the key is %v, %v", info, err)
	}
	if err := os.Mkdir(filepath.Join(outside, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{link, link + "/", link + "/below"} {
		if _, err := Keep(by, alice.Address, alice.sign, now); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("by the link %s: %v", by, err)
		}
	}
	if err := os.Chmod(outside, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Keep(outside, alice.Address, alice.sign, now); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("where everybody may write: %v", err)
	}
	for path, want := range map[string]error{filepath.Join(base, "none", "below"): unix.ENOENT, secret: unix.ENOTDIR, "/": nil} {
		d, err := openDir(path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, not %v", path, err, want)
		}
		if err == nil {
			d.root.Close()
		}
	}
}

// A directory may be named from where somebody is.
func TestKeepInRelativeDirectories(t *testing.T) {
	base := t.TempDir()
	for _, d := range []string{"here/mine", "beside"} {
		if err := os.MkdirAll(filepath.Join(base, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(base, "here"))
	for name, at := range map[string]string{"mine/": "here/mine", "../beside": "beside", ".": "here"} {
		mustKeep(t, name, alice, now)
		if _, err := os.Stat(filepath.Join(base, at, KeyFile)); err != nil {
			t.Error(err)
		}
	}
}

// The unit's RestrictSUIDSGID= makes openat2 a call that the kernel does not have: its
// mode is behind a pointer, where no filter can look.
func TestKeepWithoutOpenat2(t *testing.T) {
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the filter stays with the thread, which ends with this
		if err := refuseOpenat2(); err != nil {
			done <- err
			return
		}
		_, err := Keep(dir, alice.Address, alice.sign, now)
		done <- err
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// refuseOpenat2 puts systemd's filter before this thread (seccomp(2)).
func refuseOpenat2() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number, which is first in struct seccomp_data
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT2, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0))
	if _, refused := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH}); !errors.Is(refused, unix.ENOSYS) {
		err = errors.Join(err, fmt.Errorf("openat2 says %w", refused))
	}
	return err
}

func owner(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid
}

func TestKeepGivesAway(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4242, 4243); err != nil {
		t.Fatal(err)
	}
	mustKeep(t, dir, alice, now)
	for _, name := range []string{KeyFile, CertFile, AnchorFile, BothFile} {
		if uid, gid := owner(t, filepath.Join(dir, name)); uid != 4242 || gid != 4243 {
			t.Errorf("%s belongs to %d:%d", name, uid, gid)
		}
	}
}

// Whatever is taken for an address, its anchor is one certificate that Go can
// read, with the address's key.
func FuzzAnchor(f *testing.F) {
	f.Add(string(alice.Address))
	f.Add(strings.ToUpper(string(bob.Address)))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := onion.Parse(text)
		if err != nil {
			if len(text) != 32 {
				return
			}
			a = onion.FromPublicKey(ed25519.PublicKey(text)) // a key by itself, so that most are addresses
		}
		c, err := x509.ParseCertificate(DER(a))
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if key, ok := c.PublicKey.(ed25519.PublicKey); !ok || onion.FromPublicKey(key) != a {
			t.Errorf("%s: the anchor has the key %x", a, c.PublicKey)
		}
	})
}
