package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// mainExample is what a person without a configuration is told to write.
const mainExample = `"tunic setup" asks a few questions and writes it; by hand this is enough:
    [household]
    interfaces = ["br-lan"]     # the household's side, never the internet's; "ip link" shows the names
    default-policy = "tor"
    # then: tunic check`

// Load reads and checks all files below p.Etc. It fails with Errors, which
// hold every mistake of every file, and changes nothing anywhere.
func Load(p Paths) (*Config, error) { return newLoader(p).load() }

// LoadWith is Load as it would be with this text in tunic.toml.
func LoadWith(p Paths, main []byte) (*Config, error) {
	l := newLoader(p)
	l.instead = main
	return l.load()
}

func (l *loader) load() (*Config, error) {
	cfg := &Config{Files: l.files}
	l.main(cfg)
	l.endpoints(cfg)
	l.notices(cfg)
	l.devices(cfg)
	l.peers(cfg)
	l.known = l.profiles()
	l.onions(cfg)
	l.phones(cfg)
	l.services(cfg)
	cfg.checkServicePorts(l)
	l.groups(cfg)
	l.snippets(cfg)
	l.i2pd(cfg)
	if len(l.errs) == 0 {
		return cfg, nil
	}
	if _, err := os.ReadDir(l.paths.Etc); errors.Is(err, fs.ErrPermission) { // which each file has said
		return nil, Errors{{File: l.paths.Etc, Msg: "cannot be read: " + reason(err)}}
	}
	l.errs.sort(l.paths.Main())
	return nil, l.errs
}

// loader collects the mistakes of all files.
type loader struct {
	paths  Paths
	errs   Errors
	served []string // names of the endpoints that have a file, right or wrong
	handed []string // of these, the ones that are other servers'
	known  []Profile
	files  map[string][sha256.Size]byte // that were read, see Config

	instead []byte // the text of tunic.toml, whatever the file says; nil for the file's
}

func newLoader(p Paths) *loader {
	return &loader{paths: p, files: make(map[string][sha256.Size]byte)}
}

// finish takes over the mistakes of one file.
func (l *loader) finish(t *table) {
	t.finish()
	l.errs = append(l.errs, t.doc.errs...)
}

// each calls read for the files that describe a thing each.
func (l *loader) each(dir string, read func(name string, t *table)) {
	paths, errs := listNamed(dir)
	l.errs = append(l.errs, errs...)
	for _, f := range l.readAll(paths) {
		_, t := parseDocument(f.path, f.text)
		read(stem(f.path), t)
		l.finish(t)
	}
}

// main reads tunic.toml.
func (l *loader) main(cfg *Config) {
	path := l.paths.Main()
	text, err := l.instead, error(nil)
	if text == nil {
		text, err = l.read(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.errs = append(l.errs, Error{File: path, Msg: "does not exist", Hint: mainExample})
	case err != nil:
		l.errs = append(l.errs, Error{File: path, Msg: "cannot be read: " + reason(err)})
	}
	_, t := parseDocument(path, text)
	t.broken = t.broken || err != nil
	readMain(t, cfg)
	l.bypasses(t, cfg)
	l.finish(t)
}

func readMain(t *table, cfg *Config) {
	readHousehold(t.table("household"), &cfg.Household)
	readGateway(t.table("gateway"), &cfg.Gateway, cfg.Household.Interfaces)
	readTor(t.table("tor"), &cfg.Tor)
	readDNS(t.table("dns"), &cfg.DNS, cfg.Gateway.OwnTraffic)
	readSocks(t.table("socks"), &cfg.Socks)
	readNotices(t.table("notices"), &cfg.Notices)
	readInbox(t.table("inbox"), &cfg.Inbox)
	readI2P(t.table("i2p"), &cfg.I2P)
}

// snippets reads torrc.d. What the lines mean is for tor to say.
func (l *loader) snippets(cfg *Config) {
	paths, errs := listFiles(l.paths.TorrcDir(), ".conf")
	l.errs = append(l.errs, errs...)
	for _, path := range paths {
		text, err := l.read(path)
		if err == nil && bytes.IndexByte(text, 0) >= 0 {
			err = errors.New("it holds a zero byte: not a text file")
		}
		if err != nil {
			l.errs = append(l.errs, Error{File: path, Msg: "cannot be read: " + reason(err)})
			continue
		}
		cfg.Torrc = append(cfg.Torrc, Snippet{File: filepath.Base(path), Text: string(text)})
	}
}
