package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// knownEndpoints are the protocols that this version serves.
var knownEndpoints = []string{"gopher", ircName, smtpName, xmppName}

// endpoints reads endpoints/NAME.toml.
func (l *loader) endpoints(cfg *Config) {
	l.each(l.paths.EndpointDir(), func(name string, t *table) {
		if !slices.Contains(knownEndpoints, name) {
			l.errs = append(l.errs, Error{File: t.doc.file, Msg: fmt.Sprintf("tunic has no endpoint called %q", name),
				Hint: "there is: " + strings.Join(knownEndpoints, ", ")})
			t.values = nil // its keys are nobody's
			return
		}
		l.served = append(l.served, name)
		if t.has("server") {
			l.handed = append(l.handed, name)
			if target, ok := l.readServer(t, cfg); ok {
				cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: name, Server: target})
			}
			return
		}
		switch name {
		case smtpName:
			cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: name, SMTP: readSMTP(t)})
			return
		case ircName:
			cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: name, IRC: readIRC(t)})
			return
		case xmppName:
			cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: name})
			return
		}
		root, ok := t.text("root")
		if !t.has("root") {
			t.missing("root", `name the directory to serve, like root = "/srv/gopher"`)
		}
		if !ok {
			return
		}
		if p := l.checkRoot(root); p != nil {
			t.add("root", p)
			return
		}
		cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: name, Root: filepath.Clean(root)})
	})
}

// readServer reads the server that an endpoint is handed over to.
func (l *loader) readServer(t *table, cfg *Config) (Target, bool) {
	target, ok := readTarget(t, "server")
	if !ok {
		return target, false
	}
	p := l.checkTarget(target, cfg)
	if target.Endpoint != "" || target.HTTPHost != "" {
		p = problemf(`name the server, like server = "192.168.1.20:6667"`, "the server of an endpoint is another program")
	}
	if p != nil {
		t.add("server", p)
	}
	return target, p == nil
}

// own returns an endpoint that the box itself serves.
func (c *Config) own(name string) (Endpoint, bool) {
	i := slices.IndexFunc(c.Endpoints, func(e Endpoint) bool { return e.Name == name && e.Server == (Target{}) })
	if i < 0 {
		return Endpoint{}, false
	}
	return c.Endpoints[i], true
}

// homes are what the daemon's unit hides from it and from its children
// (ProtectHome=, systemd.exec(5)).
var homes = []string{"/home", "/root", "/run/user"}

// checkRoot refuses what cannot be served and what must not be.
func (l *loader) checkRoot(root string) *problem {
	if !filepath.IsAbs(root) {
		return problemf("write the whole path, like \"/srv/gopher\"", "%q does not begin with /", root)
	}
	for _, home := range homes {
		if contains(home, root) {
			return problemf("move it, to /srv/gopher for example", "%s lies in %s, and strangers are shown nothing from a home", root, home)
		}
	}
	switch info, err := os.Stat(root); {
	case os.IsNotExist(err):
		return problemf("make it: mkdir -p "+root, "%s does not exist", root)
	case err != nil:
		return problemf("", "%s cannot be looked at: %s", root, reason(err))
	case !info.IsDir():
		return problemf("", "%s is not a directory", root)
	}
	for _, own := range []string{l.paths.Etc, l.paths.State, l.paths.Run} {
		if contains(root, own) || contains(own, root) {
			return problemf("give it a directory of its own", "%s would show visitors tunic's own files in %s", root, own)
		}
	}
	return nil
}

// contains reports whether path is dir or below it, with symbolic links
// followed as far as they exist.
func contains(dir, path string) bool {
	rel, err := filepath.Rel(resolve(dir), resolve(path))
	return err == nil && filepath.IsLocal(rel)
}

// resolve follows the symbolic links of the part of path that exists.
func resolve(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}
