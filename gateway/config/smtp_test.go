package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMailFiles(t *testing.T) {
	testKey := alice().Onion
	peer := "onion = \"" + testKey + "\"\nclient = \"" + aliceClient + "\"\n"
	for name, x := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"empty": {files: map[string]string{"endpoints/smtp.toml": ""}},
		"sizes": {map[string]string{"endpoints/smtp.toml": "max-size = 0\nquota = \"2 GB\"\nrelay = true\n"}, []string{
			"endpoints/smtp.toml:1: max-size: 0 is not between 1 and 500", "endpoints/smtp.toml:2: quota: must be a number, not text",
			"endpoints/smtp.toml:3: relay: unknown key"}},
		"smarthost": {map[string]string{"endpoints/smtp.toml": "[smarthost]\nserver = \"provider\"\nuser = \"\"\nfrom = \"family\"\n"},
			[]string{
				"endpoints/smtp.toml:1: smarthost.password-file: missing",
				`endpoints/smtp.toml:2: smarthost.server: "provider" is not right`,
				`endpoints/smtp.toml:3: smarthost.user: "" is not right`, `endpoints/smtp.toml:4: smarthost.from: "family" is not right`}},
		"group": {files: map[string]string{"endpoints/smtp.toml": "", "peers/alice.toml": peer,
			"groups/choir.toml": "title = \"The Choir\"\nmembers = [\"bob@alice\", \"ann\", \"carl@" + testKey + ".peer.home.arpa\"]\n"}},
		"no mail": {map[string]string{"groups/choir.toml": "members = [\"ann\"]\n"},
			[]string{"groups/choir.toml: a group needs mail, which is not set up"}},
		"notices": {map[string]string{"tunic.toml": okMain + "[notices]\nmail = true\nseverity = \"info\"\n"}, []string{
			"tunic.toml: notices.mail: notices go by mail, which is not set up",
			`tunic.toml:5: notices.severity: "info" is none of error, warning`}},
		"no members": {map[string]string{"endpoints/smtp.toml": "", "groups/choir.toml": "members = []\n"},
			[]string{"groups/choir.toml:1: members: missing"}},
		"members": {map[string]string{"endpoints/smtp.toml": "",
			"groups/choir.toml": "members = [\"bob@carl\", \"bob@example.com\", \"bob@\", \"b b\", \"ann\", \"Ann\"]\n"}, []string{
			`groups/choir.toml:1: members[0]: no friend is called "carl"`,
			`groups/choir.toml:1: members[1]: "bob@example.com" is not on a friend's box: groups have no members elsewhere`,
			`groups/choir.toml:1: members[2]: "bob@" is no address of a box`,
			`groups/choir.toml:1: members[3]: "b b" is no address of a box`, `groups/choir.toml:1: members[5]: "Ann" is named twice`}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"tunic.toml": okMain}
			maps.Copy(files, x.files)
			p := newBox(t, files)
			c, err := Load(p)
			if got := mistakes(p, err); !slices.Equal(got, x.want) {
				t.Fatalf("Load: %s\nwant %s", strings.Join(got, "\n"), strings.Join(x.want, "\n"))
			}
			if len(x.want) > 0 {
				return
			}
			mail, ok := c.Mail()
			if !ok || mail.MaxSize != 50_000_000 || mail.Quota != 2_000_000_000 || mail.Strangers {
				t.Errorf("mail is %+v, %v", mail, ok)
			}
			if name == "group" {
				want := []Group{{"choir", "The Choir", []Member{{"bob", "alice", ""}, {"ann", "", ""}, {"carl", "", testKey}}}}
				if !reflect.DeepEqual(c.Groups, want) {
					t.Errorf("groups are %+v", c.Groups)
				}
			}
		})
	}
}
