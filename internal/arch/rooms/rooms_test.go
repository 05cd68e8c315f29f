package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a small house in which mail uses a name of people, and is given people too.
var tree = map[string]string{
	"go.mod":       "module tunic\n\ngo 1.26\n",
	"gateway/a.go": "package gateway\n\ntype Gateway struct{ n int }\n\nfunc (g *Gateway) One() int { return g.two() }\n",
	"gateway/b.go": "package gateway\n\nfunc (g *Gateway) two() int { return g.n + three() }\n\nfunc three() int { return 3 }\n",

	"gateway/feature/people/people.go": "package people\n\nconst Most = 9\n\n" +
		"type Feature struct{}\n\nfunc (Feature) Current() []string { return nil }\n",
	"gateway/feature/mail/mail.go": `package mail

import "tunic/gateway/feature/people"

type Users interface{ Current() []string }

type Feature struct{ Users Users }

func New(u Users) *Feature { _ = people.Most; return &Feature{u} }
`,
	"cmd/tunic/house.go": `package main

import (
	"tunic/gateway"
	"tunic/gateway/feature/mail"
	"tunic/gateway/feature/people"
)

func main() {
	known := people.Feature{}
	_, _ = mail.New(known), mail.Feature{Users: &known}
	new(gateway.Gateway).One()
}
`,
}

func TestTable(t *testing.T) {
	dir := t.TempDir()
	for name, text := range tree {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := run(&out, dir); err != nil {
		t.Fatal(err)
	}
	want := `package                 files  lines  functions  most methods  file to file
gateway                 2      10     3          Gateway 2     2
gateway/feature/mail    1      9      1                        0
gateway/feature/people  1      7      1          Feature 1     0
all of it                      26

from feature to feature: 1 directly, 1 handed over
  mail uses people.Most
  mail is given people as mail.Users (Current)
`
	if out.String() != want {
		t.Errorf("printed\n%s\nnot\n%s", out.String(), want)
	}
}

func TestATreeThatCannotBeRead(t *testing.T) {
	if err := run(new(strings.Builder), t.TempDir()); err == nil {
		t.Error("no error without a module")
	}
}
