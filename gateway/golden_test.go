package gateway

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/account"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/feature"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// smarthostPass is a secret of the rich house's, for tests that look for it.
const smarthostPass = "geheim-provider"

// richFiles are those of testdata/rich: a household that uses all that there is.
func richFiles(t *testing.T, root string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	dir := filepath.Join("testdata", "rich")
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = strings.ReplaceAll(string(text), "$ROOT", root)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// richHouse has these files, two interfaces, a user with mail, and virtual ranges
// that do not change from run to run.
func richHouse(t *testing.T) *house {
	t.Helper()
	root := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "srv/gopher"), 0o755), os.Mkdir(filepath.Join(root, "srv/tls"), 0o755),
		os.WriteFile(filepath.Join(root, "smarthost.password"), []byte(smarthostPass+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	h := newHouseIn(t, root, richFiles(t, root))
	h.facts.Interfaces = append(h.facts.Interfaces, feature.InterfaceFacts{Name: "guest", Index: 5,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.78.1/24")}})
	record, err := aRecord()
	err = errors.Join(err, os.MkdirAll(h.Paths.State, 0o711),
		box.SaveRanges(h.Paths.StateFile(), feature.Ranges{Virtual4: netip.MustParsePrefix("10.192.0.0/16"),
			Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48")}),
		account.Store{Dir: h.Paths.Accounts()}.Add(account.User{Name: "ann", Role: account.Admin, Record: record}))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		h.Users.Serve, h.Users.Mail, h.Users.XMPP, h.Users.IRC = feature.IDs{UID: 109, GID: 109}, feature.IDs{UID: 110, GID: 110},
			feature.IDs{UID: 111, GID: 111}, feature.IDs{UID: 112, GID: 112}
		h.Users.Tor, h.Users.Service = feature.IDs{UID: 107, GID: 107}, feature.IDs{UID: 113, GID: 113}
		h.Users.I2P = feature.IDs{UID: 114, GID: 114}
	}
	return h
}

// What is other in each run: keys, certificates and sums of secrets.
var (
	keyWord    = regexp.MustCompile(`\b([a-z2-7]{56}|[A-Z2-7]{52}|[0-9a-f]{64})\b`)
	returns    = regexp.MustCompile(`Return [0-9]{19}`)
	certPEM    = regexp.MustCompile(`"?-----BEGIN CERTIFICATE-----[^"]*"?`)
	accountSum = regexp.MustCompile(`Accounts: [0-9a-f]{16}`)
)

// steady is a text with names for what is other in each run; keys that stand in a
// file of the house are left.
func steady(t *testing.T, h *house, text string) string {
	t.Helper()
	var files strings.Builder
	for _, f := range richFiles(t, h.Paths.Root) {
		files.WriteString(f)
	}
	names := make(map[string]string)
	text = keyWord.ReplaceAllStringFunc(text, func(key string) string {
		if strings.Contains(files.String(), key) {
			return key
		}
		if names[key] == "" {
			names[key] = fmt.Sprintf("KEY%d", len(names)+1)
		}
		return names[key]
	})
	text = certPEM.ReplaceAllString(text, "(a certificate)")
	text = returns.ReplaceAllString(text, "Return 2")
	text = accountSum.ReplaceAllString(text, "Accounts: (a sum)")
	return strings.ReplaceAll(text, h.Paths.Root, "/r")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update and read what it writes", err)
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			t.Errorf("%s differs at line %d: go test ./gateway -update, and read what changes", path, i+1)
			t.Logf("want %q\ngot  %q", strings.Join(w[min(i, len(w)):min(i+3, len(w))], "\n"),
				strings.Join(g[min(i, len(g)):min(i+3, len(g))], "\n"))
			return
		}
	}
}

// All that a household that uses everything leads to is what it was, open and
// closed; a second look leads to the same, a plan sees no change, and no secret is
// in the text.
func TestWholeStateOfARichHouse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("files get owners, and the text has them: only root can do that")
	}
	h := richHouse(t)
	h.pass(t.Context())
	first := h.snapshot()
	if len(first.why) > 0 || len(first.desired.Servers) != 4 {
		t.Fatalf("%s: %+v", first.why, first.findings)
	}
	text := first.desired.String()
	golden(t, "rich.open", steady(t, h, text))
	for _, secret := range secretsOf(t, h) {
		if strings.Contains(text, secret) {
			t.Errorf("the secret %s... is in the text", secret[:5])
		}
	}
	h.pass(t.Context())
	if again := h.snapshot().desired; !again.Equal(first.desired) || again.String() != text {
		changes, err := feature.Diff(first.desired, again)
		t.Errorf("the second pass wants something else: %v\n%s", err, strings.Join(changes, "\n"))
	}
	h.held = true
	h.pass(t.Context())
	golden(t, "rich.closed", steady(t, h, feature.Desired{Rules: h.last}.String()))
}

// A plan for a house that uses everything foresees what a pass has made: nothing is
// left to change, and a comment in a file changes that file alone.
func TestPlanOfARichHouse(t *testing.T) {
	h := richHouse(t)
	h.running(t)
	v := h.snapshot()
	err := h.do(t.Context(), func(ctx context.Context) error {
		foreseen, err := h.foresee(ctx, v.config, v.in)
		if changes, _ := feature.Diff(v.desired, foreseen); !foreseen.Equal(v.desired) {
			t.Errorf("a plan foresees something else than the pass has made:\n%s", strings.Join(changes, "\n"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range richFiles(t, h.Paths.Root) {
		h.write(t, path, text+"\n# a comment\n")
		plan, err := h.Plan(t.Context())
		if strings.HasPrefix(path, "torrc.d/") { // whose comments go to tor
			plan.Changes = nil
		}
		if err != nil || len(plan.Changes) > 0 || !slices.Equal(plan.Files, []string{"~ " + path}) {
			t.Errorf("a comment in %s: %q, %v\n%s", path, plan.Files, err, strings.Join(plan.Changes, "\n"))
		}
		h.write(t, path, text)
	}
	if plan, err := h.Plan(t.Context()); err != nil || len(plan.Files)+len(plan.Changes) > 0 {
		t.Errorf("all is as it was, but: %q, %q, %v", plan.Files, plan.Changes, err)
	}
}

// secretOfIRC is a line of the IRC server's configuration with a secret.
var secretOfIRC = regexp.MustCompile(`(?m)^\s*\S*(?:Salt|Password) = (.+)$`)

// secretsOf are all that a house has of them.
func secretsOf(t *testing.T, h *house) []string {
	t.Helper()
	d := h.snapshot().desired
	users, err := account.Store{Dir: h.Paths.Accounts()}.Users()
	if err != nil || len(users) == 0 {
		t.Fatalf("%v, %v", users, err)
	}
	list := []string{smarthostPass, users[0].Record.Encode(), d.Serve.Users.Secret, "PRIVATE KEY"}
	for _, a := range d.Tor.Auth {
		list = append(list, string(a.Key))
	}
	for _, s := range d.Servers {
		for _, f := range s.Files {
			for _, m := range secretOfIRC.FindAllStringSubmatch(f.Text, -1) {
				list = append(list, m[1])
			}
		}
	}
	for i, secret := range list {
		if len(secret) < 8 {
			t.Fatalf("secret %d is %q", i, secret)
		}
	}
	if len(list) < 8 {
		t.Fatalf("only %d secrets", len(list))
	}
	return list
}

// What the example of the configuration shows, the rich house uses.
func TestRichHouseUsesEveryOption(t *testing.T) {
	unused := []string{
		"bridges",        // do not go with an onion that is not anonymous: TestPlanHidesBridges
		"exit-countries", // need a package: TestExitCountries
	}
	text := richFiles(t, "/r")["tunic.toml"]
	options := regexp.MustCompile(`(?m)^#? *([a-z-]+) = `)
	has := make(map[string]bool)
	for _, m := range options.FindAllStringSubmatch(text, -1) {
		has[m[1]] = true
	}
	shown := options.FindAllStringSubmatch(config.Example(), -1)
	for _, m := range shown {
		if !has[m[1]] && !slices.Contains(unused, m[1]) {
			t.Errorf("testdata/rich does not use %s", m[1])
		}
	}
	if len(shown) < 15 {
		t.Errorf("only %d options were found", len(shown))
	}
}
