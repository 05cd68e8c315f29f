package onion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// The pair of RFC 7748, section 6.1, in base32.
const (
	aliceSecret = "O4DW2CTTDCSX2PAWYFZFDMTGIXPUYL4H5PAJSKVRO752KHNZFQVA"
	alicePublic = "QUQPACMJGCTVI5ELPXOLIPXXLIG36OQNEY4BV5HLUSUY5KU3JZVA"
)

func TestClientKeys(t *testing.T) {
	s, err := NewClientSecret()
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.Public()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(public), strings.ToLower(string(public)), public.Line()} {
		if again, err := ParseClientKey(text); err != nil || again != public {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	}
	for _, text := range []string{string(s), strings.ToLower(string(s)), "descriptor:x25519:" + string(s)} {
		if again, err := ParseClientSecret(text); err != nil || again != s {
			t.Errorf("a spelling of the secret was not taken: %v", err)
		}
	}
	if other, _ := NewClientSecret(); other == s {
		t.Error("two keys are the same")
	}
}

func TestBadClientKeys(t *testing.T) {
	for name, text := range map[string]string{
		"empty":            "",
		"short":            strings.Repeat("A", 51),
		"long":             strings.Repeat("A", 53),
		"line end":         strings.Repeat("B", 51) + "\n",
		"digit":            strings.Repeat("B", 51) + "1",
		"padding":          strings.Repeat("B", 51) + "=",
		"left-over bits":   alicePublic[:51] + "B",
		"all zero":         strings.Repeat("A", 52),
		"order 8":          "4DVXU7B3IG4K4FSW4P5PDH6ENLNATDPLTQZLD7MGMICRMX2JXAAA",
		"other auth type":  "basic:x25519:" + alicePublic,
		"foreign letter ı": strings.Repeat("B", 50) + "ı",
	} {
		if k, err := ParseClientKey(text); !errors.Is(err, ErrClientKey) {
			t.Errorf("%s: became %q, %v", name, k, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats the text: %v", name, err)
		}
	}
}

func TestPublicOfSecret(t *testing.T) {
	s, err := ParseClientSecret(aliceSecret)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := s.Public(); err != nil || public != alicePublic {
		t.Errorf("public key %q, %v", public, err)
	}
	if got, want := s.Line("abc"), "abc:descriptor:x25519:"+aliceSecret; got != want {
		t.Errorf("line %q", got)
	}
	if _, err := ClientSecret("x").Public(); !errors.Is(err, ErrClientKey) {
		t.Errorf("nonsense: %v", err)
	}
}

// A secret that gets into a text by mistake is not in it.
func TestSecretsStayOut(t *testing.T) {
	s := ClientSecret(aliceSecret)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", s)
	holder := struct{ Key ClientSecret }{s}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%s %v %+v %#v %q", s, holder, holder, holder, s), log.String()} {
		if strings.Contains(text, aliceSecret) {
			t.Errorf("it is in %q", text)
		}
	}
	if raw, err := json.Marshal(s); err != nil || string(raw) != `"`+aliceSecret+`"` {
		t.Errorf("where it is asked for it is %s, %v", raw, err)
	}
}
