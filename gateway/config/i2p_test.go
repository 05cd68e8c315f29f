package config

import (
	"slices"
	"strings"
	"testing"
)

const withI2P = "[household]\ninterfaces = ['br-lan']\n[i2p]\nenabled = true\n"

// Only what tunic leaves to its owner may be in i2pd.conf, in either of its forms; nothing
// of it counts while I2P is off.
func TestI2PDConf(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []Line
		err  string
	}{
		{"", nil, ""},
		{"# x\n\nnetid = 77 # test\n[reseed]\nurls=https://a.example/,https://b.example/\n[socksproxy]\ninbound.length = 1\r\n",
			[]Line{{"netid", "77"}, {"reseed.urls", "https://a.example/,https://b.example/"}, {"socksproxy.inbound.length", "1"}}, ""},
		{"[ntcp2]\nproxy = \n", nil, "i2pd.conf:2: ntcp2.proxy: tunic sets that itself"},
		{"ntcp2.proxy = socks://192.0.2.1:1\n", nil, "i2pd.conf:1: ntcp2.proxy: tunic sets that itself"},
		{"loglevel = debug\n", nil, "loglevel: tunic sets that itself"},
		{"[reseed]\nproxy = x\n", nil, "reseed.proxy: tunic sets that itself"},
		{"[socksproxy]\noutproxy = x\n", nil, "socksproxy.outproxy: tunic sets that itself"},
		{"netid = 1\nnetid = 2\n", nil, "i2pd.conf:2: netid: netid is there twice"},
		{"netid\n", nil, "is no line that i2pd reads"},
		{"netid = 7\x007\n", nil, "is no line that i2pd reads"},
	} {
		p := newBox(t, map[string]string{"tunic.toml": withI2P, "i2pd.conf": tc.text})
		c, err := Load(p)
		got := strings.Join(mistakes(p, err), "\n")
		if !strings.Contains(got, tc.err) || (got == "") != (tc.err == "") {
			t.Errorf("%q:\n%s\nwant\n%s", tc.text, got, tc.err)
		}
		if tc.err == "" && !slices.Equal(c.I2P.Lines, tc.want) {
			t.Errorf("%q: %q", tc.text, c.I2P.Lines)
		}
	}
	if c, err := Load(newBox(t, map[string]string{"i2pd.conf": "rubbish\n"})); err != nil || c.I2P.Enabled || c.I2P.Lines != nil {
		t.Errorf("without I2P: %+v, %v", c, err)
	}
}

// What is for some alone, or known by its onion key, is not published by I2P.
func TestOnionsInI2P(t *testing.T) {
	const ports = "[ports]\n80 = '192.168.77.20:80'\n"
	for _, tc := range []struct{ main, file, text, want string }{
		{withI2P, "photos", "i2p = true\n" + ports, ""},
		{withI2P, "photos", "i2p = false\nprivate = true\n" + ports, ""},
		{withI2P, "photos", "i2p = true\nprivate = true\n" + ports, "photos.toml:1: i2p: the onion is private"},
		{withI2P, "home", "i2p = true\npublic = true\n", "home.toml:1: i2p: friends' boxes know home"},
		{withI2P, "post", "i2p = true\n[ports]\n25 = 'endpoint:smtp'\n", "post.toml:1: i2p: mail and friends' boxes"},
		{withI2P, "hole", "i2p = true\n[ports]\n70 = 'endpoint:gopher'\n", ""},
		{strings.Split(withI2P, "[i2p]")[0], "photos", "i2p = true\n" + ports, "photos.toml:1: i2p: I2P is switched off"},
	} {
		p := newBox(t, map[string]string{"tunic.toml": tc.main, "onions/" + tc.file + ".toml": tc.text, "endpoints/smtp.toml": "",
			"endpoints/gopher.toml": "root = '/'\n"})
		c, err := Load(p)
		got := strings.Join(slices.DeleteFunc(mistakes(p, err), func(m string) bool { return strings.HasPrefix(m, "endpoints/") }), "\n")
		if !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%s:\n%s\nwant\n%s", tc.text, got, tc.want)
		}
		if c != nil && tc.want == "" && c.Onions[0].I2P != strings.HasPrefix(tc.text, "i2p = true") {
			t.Errorf("loaded %+v", c.Onions[0])
		}
	}
}
