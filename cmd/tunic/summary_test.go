package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

// A house, as the daemon tells it, and as its files say it.
var (
	aliceKey = "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA"
	inForce  = api.Status{
		Household: api.Household{DefaultPolicy: "tor", Interfaces: []api.Interface{{Name: "br-lan"}},
			Devices: []api.Device{{Name: "tv", Named: "file", MAC: "02:00:5e:10:00:01", Policy: "block", Until: new(time.Time),
				Then: "tor"},
				{Name: "pad", Named: "file", MAC: "02:00:5e:10:00:08", Policy: "tor"},
				{Name: "phone", Named: "lease", MAC: "02:00:5e:10:00:09", Policy: "tor"}}},
		Onions: []api.Onion{{Name: "blog", Anonymous: true, Ports: []api.Port{{Port: 80, Target: "nas:80"}}},
			{Name: "diary", Anonymous: true, Private: true, Ports: []api.Port{{Port: 80, Target: "nas:81"}},
				Clients: []api.OnionClient{{Name: "grandma", Key: aliceKey}}},
			{Name: "home", Anonymous: true, Private: true,
				Ports:   []api.Port{{Port: 1, Target: "endpoint:services"}, {Port: 7474, Target: "endpoint:pair"}},
				Clients: []api.OnionClient{{Name: "invitation", Invited: true, Key: "x"}}}},
	}
	behindLAN  = "[household]\ninterfaces = [\"br-lan\"]\n"
	outsideTor = "[[bypass]]\ndomains = [\"old.example\"]\n[[bypass]]\ndomains = [\"bank.example\"]\ndevices = [\"pad\"]\n"
	outsideNow = []api.Bypass{{To: "old.example", Devices: []string{}}, {To: "bank.example", Devices: []string{"pad"}}}
	asFiles    = map[string]string{
		"tunic.toml":        behindLAN + outsideTor,
		"devices/pad.toml":  "mac = \"02:00:5e:10:00:08\"\n",
		"devices/tv.toml":   "mac = \"02:00:5e:10:00:01\"\n",
		"onions/blog.toml":  "[ports]\n80 = \"nas:80\"\n",
		"onions/diary.toml": "private = true\nclients = [\"grandma:" + aliceKey + "\"]\n[ports]\n80 = \"nas:81\"\n",
	}
)

// What an edited file means is said in plain words; what it does not change is
// not spoken of.
func TestPlansAreSummed(t *testing.T) {
	other := "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"
	for _, x := range []struct {
		files map[string]string // that are edited; "" is removed
		want  []string
	}{
		{nil, nil},
		{map[string]string{"devices/laptop.toml": "mac = \"02:00:5e:10:00:02\"\npolicy = \"direct\"\n"},
			[]string{"devices/laptop.toml: laptop goes direct, outside Tor"}},
		{map[string]string{"devices/tv.toml": "mac = \"02:00:5e:10:00:01\"\npolicy = \"block\"\n"},
			[]string{"devices/tv.toml: tv reaches nothing outside the house"}},
		{map[string]string{"devices/tv.toml": "mac = \"02:00:5e:10:00:03\"\n"},
			[]string{"devices/tv.toml: tv is the device with the address 02:00:5e:10:00:03, and not 02:00:5e:10:00:01 any more"}},
		{map[string]string{"devices/tv.toml": ""}, []string{"devices/tv.toml: the file is gone: the device goes through Tor"}},
		{map[string]string{"onions/photos.toml": "[ports]\n80 = \"nas:82\"\n"},
			[]string{"onions/photos.toml: photos will be published, for everybody who knows its address"}},
		{map[string]string{"onions/blog.toml": ""}, []string{"onions/blog.toml: blog will not be published any more; its keys stay"}},
		{map[string]string{"onions/blog.toml": "[ports]\n81 = \"nas:80\"\n"},
			[]string{"onions/blog.toml: port 81 of blog will lead to nas:80", "onions/blog.toml: port 80 of blog will lead nowhere"}},
		{map[string]string{"onions/blog.toml": "anonymous = false\n[ports]\n80 = \"nas:85\"\n"},
			[]string{"onions/blog.toml: blog is not anonymous any more: others can learn where this box is",
				"onions/blog.toml: port 80 of blog will lead to nas:85, and not to nas:80 any more"}},
		{map[string]string{"onions/diary.toml": "[ports]\n80 = \"nas:81\"\n"},
			[]string{"onions/diary.toml: diary is from now on for everybody who knows its address"}},
		{map[string]string{"onions/diary.toml": "private = true\nclients = [\"bob:" + other + "\"]\n[ports]\n80 = \"nas:81\"\n"},
			[]string{"onions/diary.toml: grandma cannot find diary any more", "onions/diary.toml: bob can find diary"}},
		{map[string]string{"endpoints/gopher.toml": "root = \"/usr\"\n"}, []string{"port 70 of home will lead to endpoint:gopher"}},
		{map[string]string{"tunic.toml": "[household]\ninterfaces = [\"lan0\"]\ndefault-policy = \"block\"\n" + outsideTor},
			[]string{"tunic.toml: each device without a policy of its own reaches nothing outside the house",
				"tunic.toml: what is behind lan0 is the household's",
				"tunic.toml: what is behind br-lan is not the household's any more, and not protected"}},
		{map[string]string{"tunic.toml": behindLAN + "[[bypass]]\ndomains = [\"shop.example\", \"old.example\"]\n" +
			"prefixes = [\"198.51.100.0/24\"]\n"},
			[]string{"tunic.toml: shop.example is reached OUTSIDE TOR, for every device",
				"tunic.toml: 198.51.100.0/24 is reached OUTSIDE TOR, for every device",
				"tunic.toml: bank.example is not reached outside Tor any more, for pad"}},
		{map[string]string{"tunic.toml": behindLAN + "[[bypass]]\ndomains = [\"old.example\"]\n[[bypass]]\ndomains = [\"bank.example\"]\n"},
			[]string{"tunic.toml: bank.example is reached OUTSIDE TOR, for every device",
				"tunic.toml: bank.example is not reached outside Tor any more, for pad"}},
	} {
		root := t.TempDir()
		for name, text := range asFiles {
			if edited, ok := x.files[name]; ok {
				text = edited
			}
			writeConfig(t, root, name, text)
		}
		for name, text := range x.files {
			writeConfig(t, root, name, text)
		}
		c, err := config.Load(config.NewPaths(root))
		if err != nil {
			t.Fatal(err)
		}
		s := summary{next: c, now: inForce, bypasses: outsideNow}
		s.all(nil)
		if !slices.Equal(s.lines, x.want) {
			t.Errorf("%v:\n%q, and not\n%q", x.files, s.lines, x.want)
		}
	}
}

func writeConfig(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(config.NewPaths(root).Etc, name)
	if text == "" {
		os.Remove(path)
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Friends are named, and what the plan itself says in words is repeated on top.
func TestPlansAreSummedWithFriends(t *testing.T) {
	s := summary{next: &config.Config{Household: config.Household{DefaultPolicy: "tor", Interfaces: []string{"br-lan"}},
		Peers: []config.Peer{{Name: "carol"}}},
		now:   api.Status{Household: api.Household{DefaultPolicy: "tor", Interfaces: []api.Interface{{Name: "br-lan"}}}},
		peers: []api.Peer{{Name: "bob", State: api.PeerFriend}, {Name: "dave", State: api.PeerInvited}}}
	s.friends()
	s.consequences([]string{"! tor is restarted: bridges", "+ server prosody", "- server ngircd", "+ server dovecot conf: x",
		"+ ip4 filter X"})
	want := []string{"peers/carol.toml: the box of carol is a friend's",
		"peers/bob.toml: the box of bob is no friend's any more, and does not reach this one",
		"tor is restarted: bridges", "the server prosody will run", "the server ngircd will end"}
	if !slices.Equal(s.lines, want) {
		t.Errorf("%q, and not %q", s.lines, want)
	}
}
