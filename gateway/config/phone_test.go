package config

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const (
	phoneKey  = "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA"
	phoneKey2 = "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"
	annPhone  = "user = 'ann'\nkey = '" + phoneKey + "'\n"
)

// A phone's onion is for its key alone, and leads to those servers that the box has itself.
func TestPhones(t *testing.T) {
	for servers, want := range map[string][]Port{
		"":     nil,
		"smtp": {{Virtual: 587, Target: Target{Endpoint: "submission"}}, {Virtual: 993, Target: Target{Endpoint: "imap"}}},
		"xmpp": {{Virtual: 5222, Target: Target{Endpoint: "xmpp"}}, {Virtual: 5281, Target: Target{Endpoint: "files"}}},
	} {
		files := map[string]string{"phones/annphone.toml": annPhone}
		if servers != "" {
			files["endpoints/"+servers+".toml"] = ""
		}
		c, err := Load(newBox(t, files))
		if err != nil {
			t.Fatal(err)
		}
		o, ok := c.Onion("away-annphone")
		if !ok || !reflect.DeepEqual(o.Ports, want) || !o.Private || !slices.Equal(c.ClientKeys(o), []string{phoneKey}) {
			t.Errorf("with %q: %+v", servers, o)
		}
		if c.Published(o) != (want != nil) {
			t.Errorf("with %q it is published: %t", servers, c.Published(o))
		}
		if p, ok := c.PhoneOf("away-annphone"); !ok || p != (Phone{Name: "annphone", User: "ann", Key: phoneKey}) {
			t.Errorf("%+v", p)
		}
	}
	// A server that is handed over is another program's, to which a phone has no way.
	c, err := Load(newBox(t, map[string]string{"phones/annphone.toml": annPhone, "endpoints/xmpp.toml": "server = '192.168.1.2:5269'\n"}))
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := c.Onion("away-annphone"); len(o.Ports) > 0 {
		t.Errorf("%+v", o.Ports)
	}
}

func TestPhoneMistakes(t *testing.T) {
	for _, tt := range []struct {
		files map[string]string
		want  []string
	}{
		{map[string]string{"phones/a.toml": ""}, []string{"phones/a.toml: user: missing", "phones/a.toml: key: missing"}},
		{map[string]string{"phones/a.toml": "user = 'Ann Lee'\nkey = 'x'\nports = 1\n"}, []string{
			`phones/a.toml:1: user: "Ann Lee" is not a valid name`, `phones/a.toml:2: key: "x" is no x25519 public key`,
			`phones/a.toml:3: ports: unknown key`}},
		{map[string]string{"phones/a.toml": annPhone, "phones/b.toml": annPhone},
			[]string{"phones/b.toml:2: key: it is the key of the phone a too"}},
		{map[string]string{"phones/abcdefghijklmnopqrstuvwxyz.toml": annPhone},
			[]string{"phones/abcdefghijklmnopqrstuvwxyz.toml: the name of a phone has at most 25 letters"}},
		{map[string]string{"phones/a.toml": annPhone, "onions/away-a.toml": "[ports]\n80 = '192.168.1.2:80'\n"},
			[]string{"phones/a.toml: onions/away-a.toml has the name of its onion"}},
		// No other onion leads where phones' ones do.
		{map[string]string{"endpoints/smtp.toml": "", "endpoints/xmpp.toml": "",
			"onions/photos.toml": "[ports]\n1 = 'endpoint:imap'\n2 = 'endpoint:submission'\n3 = 'endpoint:xmpp'\n"}, []string{
			`onions/photos.toml:2: ports.1: tunic has no endpoint called "imap"`,
			`onions/photos.toml:3: ports.2: tunic has no endpoint called "submission"`,
			`onions/photos.toml:4: ports.3: the endpoint "xmpp" is at home alone, by itself`}},
	} {
		p := newBox(t, tt.files)
		_, err := Load(p)
		if got := mistakes(p, err); !slices.Equal(got, tt.want) {
			t.Errorf("%v:\n%s\nwant\n%s", tt.files, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// What is written is what is read; nothing is written over, and nothing outside phones/.
func TestWritePhone(t *testing.T) {
	p := newBox(t, nil)
	phone := Phone{Name: "annphone", User: "ann", Key: phoneKey}
	if err := WritePhone(p, phone); err != nil {
		t.Fatal(err)
	}
	c, err := Load(p)
	if err != nil || !reflect.DeepEqual(c.Phones, []Phone{phone}) || !IsPhoneOnion(p, "away-annphone") || IsPhoneOnion(p, "annphone") {
		t.Errorf("%+v, %v", c.Phones, err)
	}
	if err := WritePhone(p, Phone{Name: "annphone", User: "bob", Key: phoneKey2}); !errors.Is(err, ErrExists) {
		t.Errorf("another of that name: %v", err)
	}
	for _, bad := range []Phone{{Name: "../x", User: "ann", Key: phoneKey}, {Name: "x", User: "a\"b", Key: phoneKey},
		{Name: "x", User: "ann", Key: "x"}, {Name: strings.Repeat("x", 26), User: "ann", Key: phoneKey}} {
		if err := WritePhone(p, bad); err == nil {
			t.Errorf("%+v is written", bad)
		}
	}
	if list, err := os.ReadDir(p.PhoneDir()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if err := RemovePhone(p, "annphone"); err != nil || IsPhoneOnion(p, "away-annphone") {
		t.Error(err)
	}
	for _, name := range []string{"annphone", "../onions/home"} {
		if err := RemovePhone(p, name); err == nil || name == "annphone" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
