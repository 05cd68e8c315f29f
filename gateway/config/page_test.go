package config

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sections finds the parts of the page about the configuration: one for each
// kind of file, by its name.
var sections = regexp.MustCompile(`(?m)^## ([a-z]+(?:\.d)?(?:/[A-Za-z]+)?\.(?:toml|conf))$`)

// Each key that the parser looks for stands in the page about the configuration,
// in the part about its file.
func TestPageHasAllKeys(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	page := pageSections(string(text))
	keys := askedKeys(t)
	for _, kind := range slices.Sorted(maps.Keys(keys)) {
		for _, path := range slices.Sorted(maps.Keys(keys[kind])) {
			names := strings.Split(path, ".")
			name := names[len(names)-1]
			if path == "server.host" {
				continue // a target's key, which readServer refuses
			}
			key := regexp.MustCompile(`(?m)(^[#\s]*|[{,] )(\[*[a-z.]*` + name + `\]+|` + name + " *=)|`" + name + "( =|`)")
			if !key.MatchString(page[kind]) {
				t.Errorf("docs/configuration.md has nothing of %s in %s", path, kind)
			}
		}
	}
	for kind, few := range map[string]int{"tunic.toml": 29, "devices/NAME.toml": 2, "onions/NAME.toml": 9, "profiles/NAME.toml": 8,
		"peers/NAME.toml": 3, "endpoints/smtp.toml": 8, "endpoints/irc.toml": 4, "endpoints/gopher.toml": 1, "groups/NAME.toml": 2} {
		if len(keys[kind]) < few {
			t.Errorf("only %d keys of %s were looked for: %v", len(keys[kind]), kind, slices.Sorted(maps.Keys(keys[kind])))
		}
	}
}

func pageSections(text string) map[string]string {
	list := make(map[string]string)
	at := sections.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		list[text[m[2]:m[3]]] = text[m[1]:end]
	}
	return list
}

// index is a place in a list, port a key of [ports].
var (
	index = regexp.MustCompile(`\[[0-9]+\]`)
	port  = regexp.MustCompile(`^ports\.[0-9]+`)
)

// askedKeys are the paths that the parser looks for, by the kind of file, when
// it reads a household that has everything, and an endpoint that is handed over.
func askedKeys(t *testing.T) map[string]map[string]bool {
	p := NewPaths(t.TempDir())
	if err := os.CopyFS(p.Etc, os.DirFS("../testdata/rich")); err != nil {
		t.Fatal(err)
	}
	keys := make(map[string]map[string]bool)
	before := asked
	t.Cleanup(func() { asked = before })
	asked = func(file, path string) {
		name, err := filepath.Rel(p.Etc, file)
		if err != nil { // the profiles that come with tunic
			return
		}
		if dir := filepath.Dir(name); dir != "." && dir != "endpoints" {
			name = dir + "/NAME.toml"
		}
		path = port.ReplaceAllString(index.ReplaceAllString(path, ""), "ports")
		if keys[name] == nil {
			keys[name] = make(map[string]bool)
		}
		keys[name][path] = true
	}
	newLoader(p).load()
	xmpp := filepath.Join(p.EndpointDir(), "xmpp.toml")
	if err := os.WriteFile(xmpp, []byte("server = { to = \"192.168.77.20:5269\", proxy = \"v1\" }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	newLoader(p).load()
	return keys
}
