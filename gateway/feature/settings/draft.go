package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// servers are those that the page may switch on and off.
var servers = []string{"smtp", "xmpp", "irc", "gopher"}

// draft is a configuration as it would be.
type draft struct {
	before, after *config.Config
	files         []change
}

func (d draft) paths(p config.Paths) []string { return trial{Files: d.files}.paths(p) }

// draft tries settings in a copy of the configuration, which is gone afterwards.
func (f *Feature) draft(r api.SettingsRequest) (d draft, err error) {
	if err := f.unchanged(r.Of); err != nil {
		return d, err
	}
	copied := f.paths
	if copied.Etc, err = os.MkdirTemp(f.paths.Run, "settings-"); err != nil {
		return d, fmt.Errorf("making a copy of the configuration: %w", err)
	}
	defer os.RemoveAll(copied.Etc)
	if err := copyConfig(f.paths.Etc, copied.Etc); err != nil {
		return d, fmt.Errorf("making a copy of the configuration: %w", err)
	}
	if d.before, err = config.Load(copied); err == nil {
		err = edit(copied, d.before, r)
	}
	if err == nil {
		d.after, err = config.Load(copied)
	}
	if err != nil { // its owner knows the files by their own places
		return d, feature.Usage(errors.New(strings.ReplaceAll(err.Error(), copied.Etc, f.paths.Etc)), "nothing was changed")
	}
	if err := allowed(d.before, d.after); err != nil {
		f.log.Warn("the page has asked for settings that are never changed from it", "error", err)
		return d, feature.Usage(err, "change it on the box: tunic.toml, then `sudo tunic plan` and `sudo tunic reload`")
	}
	if d.files, err = differing(f.paths.Etc, copied.Etc); err == nil && len(d.files) == 0 {
		err = feature.Usage(errors.New("these are the settings that are in force already"), "nothing was changed")
	}
	return d, err
}

// copyConfig copies the files of a configuration, and what links lead to in their place.
func copyConfig(from, to string) error {
	entries, err := os.ReadDir(from)
	for _, e := range entries {
		path := filepath.Join(from, e.Name())
		if err == nil && isDir(path) {
			err = copyFiles(path, filepath.Join(to, e.Name()))
		}
	}
	if err == nil {
		err = copyFile(filepath.Join(from, "tunic.toml"), filepath.Join(to, "tunic.toml"))
	}
	return err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err == nil {
		err = os.Mkdir(to, 0o700)
	}
	for _, e := range entries {
		if path := filepath.Join(from, e.Name()); err == nil && !isDir(path) {
			err = copyFile(path, filepath.Join(to, e.Name()))
		}
	}
	return err
}

// copyFile copies one file. What is none, a pipe for example, is no configuration.
func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// edit makes a copy of the configuration what is asked for.
func edit(p config.Paths, now *config.Config, r api.SettingsRequest) error {
	was := of(now)
	var list []config.Setting
	add := func(table, key string, is, wanted any, same bool) {
		if !same {
			list = append(list, config.Setting{Table: table, Key: key, Value: wanted})
		}
	}
	add("household", "default-policy", was.Policy, r.Policy, was.Policy == r.Policy)
	add("gateway", "metrics", was.Metrics, r.Metrics, was.Metrics == r.Metrics)
	add("dns", "block", was.Block, r.Block, slices.Equal(was.Block, r.Block))
	text, err := os.ReadFile(p.Main())
	if err != nil {
		return err
	}
	changed, err := config.Settle(string(text), list...)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.Main(), []byte(changed), 0o600); err != nil {
		return err
	}
	for _, name := range servers {
		if err := turn(p, name, slices.Contains(was.On, name), slices.Contains(r.On, name)); err != nil {
			return err
		}
	}
	return editBypasses(p, was.Bypasses, r.Bypasses)
}

// turn switches a server on or off. The file of one that is off waits under another
// name: switched on again it is as it was.
func turn(p config.Paths, name string, was, is bool) error {
	path := filepath.Join(p.EndpointDir(), name+".toml")
	if was == is {
		return nil
	}
	if was {
		return os.Rename(path, path+config.OffSuffix)
	}
	if err := os.MkdirAll(p.EndpointDir(), 0o700); err != nil {
		return err
	}
	err := os.Rename(path+config.OffSuffix, path)
	if errors.Is(err, fs.ErrNotExist) {
		if name == "gopher" {
			return errors.New("gopher needs a directory, which is named on the box: write " + path + ` with root = "/srv/gopher"`)
		}
		err = os.WriteFile(path, nil, 0o600)
	}
	return err
}

func editBypasses(p config.Paths, was, is []api.SettingsBypass) error {
	for _, b := range was {
		if !hasBypass(is, b) {
			if err := config.EditBypass(p, config.BypassEdit{To: b.To, Remove: true}); err != nil {
				return err
			}
		}
	}
	for _, b := range is {
		if hasBypass(was, b) {
			continue
		}
		to, err := config.ParseBypassTo(b.To)
		if err != nil {
			return err
		}
		if err := config.EditBypass(p, config.BypassEdit{To: to, Devices: b.Devices}); err != nil {
			return err
		}
	}
	return nil
}

func hasBypass(list []api.SettingsBypass, b api.SettingsBypass) bool {
	return slices.ContainsFunc(list, func(o api.SettingsBypass) bool { return o.To == b.To && slices.Equal(o.Devices, b.Devices) })
}

// differing are the files that are others in a copy of the configuration.
func differing(etc, copied string) (list []change, err error) {
	for _, name := range mayDiffer() {
		was, err1 := read(filepath.Join(etc, name))
		is, err2 := read(filepath.Join(copied, name))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if (was == nil) == (is == nil) && bytes.Equal(was, is) {
			continue
		}
		mode := fs.FileMode(0o600)
		if info, err := os.Stat(filepath.Join(etc, name)); err == nil {
			mode = info.Mode().Perm()
		}
		list = append(list, change{Name: name, Mode: mode, Was: was, Is: is})
	}
	return list, nil
}

// mayDiffer are the files that settings are in, below the configuration's directory.
func mayDiffer() []string {
	list := []string{"tunic.toml"}
	for _, name := range servers {
		file := filepath.Join("endpoints", name+".toml")
		list = append(list, file, file+config.OffSuffix)
	}
	return list
}

// read returns the text of a file, nil if there is none.
func read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return append([]byte{}, text...), nil
}

// of are the settings of a configuration.
func of(c *config.Config) api.SettingsRequest {
	r := api.SettingsRequest{Of: sum(c), Policy: string(c.Household.DefaultPolicy), Metrics: string(c.Gateway.Metrics),
		Block: c.DNS.Block}
	for _, e := range c.Endpoints {
		r.On = append(r.On, e.Name)
	}
	for _, b := range c.Bypasses {
		for _, domain := range b.Domains {
			r.Bypasses = append(r.Bypasses, api.SettingsBypass{To: domain, Devices: b.Devices})
		}
		for _, prefix := range b.Prefixes {
			r.Bypasses = append(r.Bypasses, api.SettingsBypass{To: prefix.String(), Devices: b.Devices})
		}
	}
	return r
}

// sum tells a configuration from all others, by the sums of its files.
func sum(c *config.Config) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		one := c.Files[name]
		fmt.Fprintf(h, "%q", name)
		h.Write(one[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// changes are what differs between settings, in the order of a person's reading.
func changes(was, is api.SettingsRequest) (list []api.SettingsChange) {
	one := func(what, to string, devices ...string) {
		list = append(list, api.SettingsChange{What: what, To: to, Devices: devices})
	}
	if was.Policy != is.Policy {
		one("policy", is.Policy)
	}
	each(was.On, is.On, func(s string) { one("server.on", s) }, func(s string) { one("server.off", s) })
	for _, b := range is.Bypasses {
		if !hasBypass(was.Bypasses, b) {
			one("bypass.add", b.To, b.Devices...)
		}
	}
	for _, b := range was.Bypasses {
		if !hasBypass(is.Bypasses, b) {
			one("bypass.remove", b.To, b.Devices...)
		}
	}
	each(was.Block, is.Block, func(s string) { one("block.add", s) }, func(s string) { one("block.remove", s) })
	if was.Metrics != is.Metrics {
		one("metrics", is.Metrics)
	}
	return list
}

// each calls come for what is new in a list, and go for what is not in it any more.
func each(was, is []string, come, leave func(string)) {
	for _, s := range is {
		if !slices.Contains(was, s) {
			come(s)
		}
	}
	for _, s := range was {
		if !slices.Contains(is, s) {
			leave(s)
		}
	}
}
