package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/anchor"
	"tunic/gateway/config"
	"tunic/gateway/onion"
)

const (
	strangersKey = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid"
	friendsKey   = "hvabpq7iioevvevxbktu2g36xsojqlgpf3cjndgazvk7ckxumygcmyyd"
)

// tunicAt runs a command line as a user, with a root directory and no daemon.
func tunicAt(root string, uid int, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &o, err: &e, env: func(string) string { return "" }, root: root, uid: uid}
	code = execute(context.Background(), a, append([]string{"--root", root}, args...))
	return code, o.String(), e.String()
}

func TestAnchorVerb(t *testing.T) {
	root := t.TempDir()
	p := config.NewPaths(root)
	for path, text := range map[string]string{
		p.Main():            "[household]\ninterfaces = [\"br-lan\"]\n",
		p.PeerFile("alice"): "onion = '" + friendsKey + "'\nclient = 'AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA'\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wrong := "35" + strangersKey[2:]
	for word, want := range map[string]string{
		"alice": friendsKey, strangersKey: strangersKey, strings.ToUpper(strangersKey) + ".onion": strangersKey,
		strangersKey + ".onion.": strangersKey, "www." + strangersKey + ".peer.home.arpa": strangersKey,
		"bob": "", wrong: "", wrong + ".onion": "", strangersKey[:55]: "", "": "", "Alice": "", strangersKey + ".example": "",
		"../alice": "",
	} {
		code, out, errs := tunicAt(root, 1000, "anchor", word)
		if want != "" && (code != exitDone || out != anchor.PEM(onion.Address(want))) || want == "" && (code != exitUsage || out != "") {
			t.Errorf("%q: %d\n%s%s", word, code, out, errs)
		}
	}
	if code, out, _ := tunicAt(filepath.Join(root, "nowhere"), 1000, "anchor", strangersKey); code != exitDone || out == "" {
		t.Error("without a configuration there is no anchor")
	}
	if _, _, errs := tunicAt(root, 1000, "anchor", wrong); !strings.Contains(errs, "checksum") {
		t.Errorf("a wrong letter: %s", errs)
	}
}

func TestCertificateVerb(t *testing.T) {
	root := t.TempDir()
	address, err := onion.EnsureKeys(config.NewPaths(root).OnionKeys("photos"), os.Getuid(), os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "tls")
	for i, said := range []string{"", "left as it is"} {
		code, out, errs := tunicAt(root, 0, "certificate", "photos", "--out", dir)
		if code != exitDone || !strings.Contains(out, address.Host()) || !strings.Contains(errs, said) {
			t.Fatalf("call %d: %d\n%s%s", i, code, out, errs)
		}
	}
	both := filepath.Join(dir, anchor.BothFile)
	pair, err := tls.LoadX509KeyPair(both, both)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(anchor.PEM(address)))
	parent, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parent)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: string(address) + config.PeerDomain}); err != nil {
		t.Error(err)
	}
	for _, words := range [][]string{{"photos"}, {"photos", "--out", dir + "/no/such"}, {"films", "--out", dir}, {"../x", "--out", dir}} {
		if code, _, errs := tunicAt(root, 0, append([]string{"certificate"}, words...)...); code != exitUsage && code != exitFailed {
			t.Errorf("%v: %d %s", words, code, errs)
		}
	}
	_, _, errs := tunicAt(root, 0, "certificate", "photos", "--out", dir+"/no/such")
	if !strings.Contains(errs, "there is no directory "+dir+"/no") {
		t.Error(errs)
	}
}

func FuzzAnchorWord(f *testing.F) {
	for _, w := range []string{strangersKey, strangersKey + ".onion", "www." + friendsKey + ".peer.home.arpa.", "alice", "."} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, word string) {
		a, err := parseAnchor(word)
		if err == nil && (!strings.Contains(strings.ToLower(word), string(a)) || onion.FromPublicKey(a.PublicKey()) != a) {
			t.Errorf("%q is taken for %s", word, a)
		}
	})
}
