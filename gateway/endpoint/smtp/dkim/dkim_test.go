package dkim

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

func identity(seed byte) (onion.Address, Signer) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
	return onion.FromPublicKey(key.Public().(ed25519.PublicKey)), func(d [32]byte) ([]byte, error) { return ed25519.Sign(key, d[:]), nil }
}

const (
	header = "From: Bob <bob@b.example>\r\nTo: alice@a.example\r\nSubject: hello\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n" +
		"Message-ID: <1@b.example>\r\nReply-To: bob@b.example\r\nReferences: <0@b.example>\r\nIn-Reply-To: <0@b.example>\r\n" +
		"Disposition-Notification-To: bob@b.example\r\nMail-Followup-To: bob@b.example\r\nTrace: <x>\r\n"
	body = "hello\r\nworld\r\n"
)

func sign(t *testing.T, seed byte) (onion.Address, string) {
	t.Helper()
	key, signer := identity(seed)
	field, err := Sign(key, signer, header, strings.NewReader(body), "Trace")
	if err != nil {
		t.Fatal(err)
	}
	return key, field + header + "\r\n" + body
}

func verify(t *testing.T, text string) []Signature {
	t.Helper()
	got, err := Verify(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSignedMessageVerifies(t *testing.T) {
	key, text := sign(t, 'a')
	got := verify(t, "Received: by x\r\n"+text)
	if len(got) != 1 || got[0].Key != key || got[0].Covers("trace") != 1 || got[0].Covers("from") != 2 {
		t.Fatalf("Verify = %+v", got)
	}
}

// Every change that a reader would notice is noticed.
func TestChangedMessageDoesNotVerify(t *testing.T) {
	_, text := sign(t, 'a')
	for what, changed := range map[string]string{
		"author":         strings.Replace(text, "bob@b", "eve@b", 1),
		"subject":        strings.Replace(text, "Subject: hello", "Subject: hullo", 1),
		"body":           strings.Replace(text, "world", "word", 1),
		"longer body":    text + "more\r\n",
		"second author":  "From: eve@e.example\r\n" + text,
		"reply above":    "Reply-To: eve@e.example\r\n" + text,
		"thread above":   "References: <2@e.example>\r\n" + text,
		"answer above":   "In-Reply-To: <2@e.example>\r\n" + text,
		"receipt above":  "Disposition-Notification-To: eve@e.example\r\n" + text,
		"followup above": "Mail-Followup-To: eve@e.example\r\n" + text,
		"second subject": "Subject: other\r\n" + text,
		"new type":       "Content-Type: text/html\r\n" + text,
		"copy":           "Cc: eve@e.example\r\n" + text,
		"trace":          strings.Replace(text, "Trace: <x>", "Trace: <y>", 1),
	} {
		if got := verify(t, changed); len(got) != 0 {
			t.Errorf("%s: it verifies for %v", what, got)
		}
	}
}

// A signature by one's own key does not count for another's address.
func TestAnothersDomain(t *testing.T) {
	mallory, text := sign(t, 'm')
	alice, _ := identity('a')
	forged := strings.ReplaceAll(text, address.Domain(mallory), address.Domain(alice))
	if got := verify(t, forged); len(got) != 0 {
		t.Errorf("it verifies for %v", got)
	}
	if got := verify(t, strings.ReplaceAll(text, address.Domain(mallory), "b.example")); len(got) != 0 {
		t.Errorf("a domain of the internet verifies: %v", got)
	}
}

// Groups add signatures; each counts by itself.
func TestTwoSignatures(t *testing.T) {
	author, text := sign(t, 'a')
	group, signer := identity('g')
	head, rest, _ := strings.Cut(text, "\r\n\r\n")
	field, err := Sign(group, signer, head+"\r\n", strings.NewReader(rest))
	if err != nil {
		t.Fatal(err)
	}
	got := verify(t, field+text)
	if len(got) != 2 || got[0].Key != group || got[1].Key != author {
		t.Errorf("Verify = %+v", got)
	}
}

func TestSignerFails(t *testing.T) {
	key, _ := identity('a')
	gone := errors.New("the parent has gone away")
	if _, err := Sign(key, func([32]byte) ([]byte, error) { return nil, gone }, header, strings.NewReader(body)); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
}

// A length limit would leave the end of the body to anybody (RFC 6376, 8.2).
func TestLengthLimitIsRefused(t *testing.T) {
	_, text := sign(t, 'a')
	if got := verify(t, strings.Replace(text, "v=1;", "v=1; l=3;", 1)); len(got) != 0 {
		t.Errorf("it verifies: %v", got)
	}
}

// Whatever name is asked for, the answer is the key that the name itself is.
func FuzzLookup(f *testing.F) {
	key, _ := identity('a')
	for _, s := range []string{"onion._domainkey." + address.Domain(key), "a.b._domainkey.x.peer.home.arpa", "_domainkey.",
		"onion._domainkey." + key.Host(),
		"._domainkey." + address.Domain(key), "x._domainkey.y._domainkey." + address.Domain(key),
		"onion._domainkey.www." + address.Domain(key)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		records, err := lookup(name)
		if err != nil {
			return
		}
		_, text, _ := strings.Cut(records[0], "p=")
		public, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(records) != 1 {
			t.Fatalf("%q: %q", name, records)
		}
		domain := address.Domain(onion.FromPublicKey(public))
		if !strings.HasSuffix(strings.ToLower(name), "._domainkey."+domain) {
			t.Fatalf("%q got the key of %s", name, domain)
		}
	})
}

// No message that was not signed verifies, and none makes the verifier panic.
func FuzzVerify(f *testing.F) {
	key, signer := identity('a')
	field, err := Sign(key, signer, header, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Replace(field, "v=1", "v=2", 1) + header + "\r\n" + body)
	f.Add("DKIM-Signature: v=1; a=ed25519-sha256; d=" + address.Domain(key) + "; s=onion; h=from; bh=; b=\r\n" + header + "\r\n")
	f.Add("DKIM-Signature: ;;;=\r\n\r\n")
	f.Add(strings.Repeat("DKIM-Signature: v=1\r\n", 20) + "\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Verify(strings.NewReader(text))
		if err == nil && len(got) > 0 && !strings.Contains(text, strings.TrimSpace(field[strings.LastIndex(field, "b="):])) {
			t.Fatalf("it verifies for %v", got)
		}
	})
}
