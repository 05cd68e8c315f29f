package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// I2P is [i2p]: a second network beside Tor, by i2pd.
type I2P struct {
	Enabled bool   // default false
	Lines   []Line // of i2pd.conf, comments and empty ones left out; none without Enabled
}

// Line is a line of a file that another program reads, with its key in full
// ("reseed.urls").
type Line struct {
	Key, Value string
}

func readI2P(t *table, i *I2P) {
	i.Enabled, _ = t.boolean("enabled")
	t.finish()
}

// i2pdKeys are what an owner may tell i2pd, or what such keys begin with: how it finds the
// network, how long its tunnels are, where its names come from, how much it may use. All
// else is tunic's, or leads nowhere: it may speak with tor alone, whatever its file says.
var i2pdKeys = []string{"netid", "reservedrange", "bandwidth", "share", "family", "reseed.urls", "reseed.yggurls", "reseed.file",
	"reseed.zipfile", "reseed.threshold", "reseed.floodfill", "addressbook.", "exploratory.", "socksproxy.inbound.",
	"socksproxy.outbound.", "limits.", "trust.", "precomputation.", "persist.", "nettime.frompeers"}

// i2pd reads i2pd.conf, which need not be there.
func (l *loader) i2pd(cfg *Config) {
	path := l.paths.I2PDConf()
	if !cfg.I2P.Enabled {
		return
	}
	text, err := l.read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		l.errs = append(l.errs, Error{File: path, Msg: "cannot be read: " + reason(err)})
		return
	}
	section := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.TrimSpace(line[1:len(line)-1]) + "."
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		one, p := i2pdLine(section, line)
		if p == nil && slices.ContainsFunc(cfg.I2P.Lines, func(o Line) bool { return o.Key == one.Key }) {
			p = problemf("leave out one of them", "%s is there twice", one.Key)
		}
		if p != nil {
			l.errs = append(l.errs, Error{File: path, Line: i + 1, Column: 1, Key: one.Key, Msg: p.msg, Hint: p.hint})
			continue
		}
		cfg.I2P.Lines = append(cfg.I2P.Lines, one)
	}
}

// i2pdLine reads "key = value", as boost's configuration files have it.
func i2pdLine(section, line string) (Line, *problem) {
	key, value, ok := strings.Cut(line, "=")
	value, _, _ = strings.Cut(value, "#")
	one := Line{section + strings.TrimSpace(key), strings.TrimSpace(value)}
	allowed := slices.ContainsFunc(i2pdKeys, func(k string) bool {
		return one.Key == k || strings.HasSuffix(k, ".") && strings.HasPrefix(one.Key, k)
	})
	switch {
	case !ok || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return Line{}, problemf("write KEY = VALUE", "is no line that i2pd reads")
	case !allowed:
		return one, problemf("there is: "+strings.Join(i2pdKeys, " "), "tunic sets that itself, or does without it")
	}
	return one, nil
}

// checkI2P refuses to publish by I2P what cannot be there.
func (o Onion) checkI2P(enabled bool) *problem {
	switch {
	case !o.I2P:
		return nil
	case o.Name == HomeOnion:
		return problemf("leave it out, and publish another onion", "friends' boxes know %s by its onion key alone", HomeOnion)
	case o.Private:
		return problemf("leave out i2p, or private = true",
			"the onion is private, and by I2P everybody who knows the address could come: tunic knows no keys of visitors there")
	case slices.ContainsFunc(o.Ports, func(p Port) bool { return p.Target.Endpoint != "" && p.Target.Endpoint != "gopher" }):
		return problemf("publish those ports by another onion", "mail and friends' boxes know who comes by Tor alone")
	case !enabled:
		return problemf("write to tunic.toml, below [i2p]: enabled = true", "I2P is switched off on this box")
	}
	return nil
}
