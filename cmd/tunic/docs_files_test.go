package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tunic/gateway/config"
)

const configurationPage = "../../docs/configuration.md"

// The page about the configuration has the example as it is.
func TestDocsExampleFile(t *testing.T) {
	const begin, end = "-update -->\n", "<!-- end of example.toml -->"
	text, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../gateway/config/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatal("the page has no place for the example")
	}
	want := before + begin + "\n```toml\n# /etc/tunic/tunic.toml\n" + string(example) + "```\n\n" + end + after
	if *update {
		if err := os.WriteFile(configurationPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("the page has another example.toml: go test ./cmd/tunic -run Docs -update")
	}
}

// tomlBlock is a snippet of a configuration file, whose first comment names the file.
var (
	tomlBlock = regexp.MustCompile("(?s)```toml\n(.*?)```")
	tomlFile  = regexp.MustCompile(`^\s*# /etc/tunic/([a-z.]+(?:/[a-z0-9-]+\.toml)?)`)
)

// friendsOnion and clientKey are valid, and nobody's.
const (
	friendsOnion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd"
	clientKey    = "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA"
)

// housePages are the files that snippets lean on: a household with some devices,
// a friend and mail.
var housePages = map[string]string{
	"tunic.toml":          "[household]\ninterfaces = [\"br-lan\"]\n[[dns.forward]]\ndomain = \"lan\"\nserver = \"192.168.1.1\"\n",
	"devices/laptop.toml": "mac = \"02:00:00:00:00:01\"\n",
	"devices/nas.toml":    "mac = \"02:00:00:00:00:02\"\n",
	"devices/tv.toml":     "mac = \"02:00:00:00:00:03\"\n",
	"peers/alice.toml":    "onion = \"" + friendsOnion + "\"\nclient = \"" + clientKey + "\"\n",
	"endpoints/smtp.toml": "",
}

// Each snippet of a configuration file in the documentation is one that the
// parser takes, as the file that its first comment names.
func TestDocsFiles(t *testing.T) {
	seen := 0
	for _, page := range guides(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range tomlBlock.FindAllStringSubmatch(string(text), -1) {
			name := tomlFile.FindStringSubmatch(block[1])
			if name == nil {
				t.Errorf("%s: a snippet does not say which file it is for:\n%s", page, block[1])
				continue
			}
			seen++
			if err := loadSnippet(t.TempDir(), name[1], block[1]); err != nil {
				t.Errorf("%s: the snippet for %s is not right: %v", page, name[1], err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d snippets were found", seen)
	}
}

// loadSnippet reads a house in which one file is this snippet, or ends with it.
func loadSnippet(root, name, snippet string) error {
	p := config.NewPaths(root)
	files := make(map[string]string)
	for name, text := range housePages {
		files[name] = text
	}
	if name == "tunic.toml" && !strings.Contains(snippet, "[household]") {
		snippet = files[name] + snippet
	}
	gopher := filepath.Join(root, "gopher")
	files[name] = strings.NewReplacer("ADDRESS.onion", friendsOnion+".onion", "grandma:KEY\"", "grandma:"+clientKey+"\"",
		"…56 letters….", friendsOnion+".", "/srv/gopher", gopher).Replace(snippet)
	for name, text := range files {
		path := filepath.Join(p.Etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Mkdir(gopher, 0o755); err != nil {
		return err
	}
	_, err := config.Load(p)
	return err
}

// guides are the README and all pages of the documentation.
func guides(t *testing.T) []string {
	list, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(list) < 15 {
		t.Fatalf("only %d pages were found (%v)", len(list), err)
	}
	return append(list, "../../README.md")
}
