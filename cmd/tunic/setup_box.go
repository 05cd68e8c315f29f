package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature/people"
	"tunic/gateway/machine"
	"tunic/gateway/setup"
	"tunic/rules"
	"tunic/rules/netfilter"
)

// debianTor are the units of the tor that Debian's package starts.
var debianTor = []string{"tor@default.service", "tor.service"}

// lookAround finds what setup has to know of this box.
func (a *app) lookAround(ctx context.Context) (b setup.Box, err error) {
	p := a.paths()
	if missing := missingUsers(); len(missing) > 0 {
		return b, &failure{exitFailed, fmt.Errorf("the system users %s do not exist", strings.Join(missing, " and ")),
			"install tunic first: its package makes them, and so does `make install`"}
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return b, &failure{exitFailed, errors.New("this box is not run by systemd, which takes a setup back that nobody confirms"),
			"write " + p.Main() + " by hand, see docs/setup.md; `tunic check` reads it"}
	}
	for _, unit := range []string{"tunic-lockdown.service", "tunic.service"} {
		if !(services{}).installed(ctx, unit) {
			return b, &failure{exitFailed, fmt.Errorf("systemd has no unit %s", unit), "install tunic first: its package brings them"}
		}
	}
	text, err := os.ReadFile(p.Main())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b.Text = string(text); b.Text != "" {
		if b.Config, err = config.Load(p); err != nil {
			return b, &failure{exitUsage, err, "setup changes no file that has a mistake: correct it, or move it away"}
		}
		_, b.Mail = b.Config.Mail()
		b.Chat = b.Config.XMPP()
	}
	var household []string
	if b.Config != nil {
		household = b.Config.Household.Interfaces
	}
	if err := lookAtLinks(ctx, &b, household); err != nil {
		return b, err
	}
	b.DHCP = listening("udp", 67)
	if listening("tcp", 22) {
		b.SSH = []uint16{22}
	}
	if b.Tor.Running = (services{}).startsTor(ctx); b.Tor.Running {
		torrc, _ := os.ReadFile(filepath.Join(p.Root, "etc/tor/torrc"))
		b.Tor.Edited = edited(string(torrc))
	}
	users, err := a.users(ctx)
	for _, u := range users {
		b.Users = append(b.Users, u.Name)
	}
	return b, err
}

// lookAtLinks finds the interfaces and who is behind them.
func lookAtLinks(ctx context.Context, b *setup.Box, household []string) error {
	around, err := machine.Kernel{}.Surroundings(ctx, household)
	if err != nil && len(around.Links) == 0 {
		return fmt.Errorf("reading the interfaces of this box: %w", err)
	}
	b.Links, b.Visits, b.Routers = around.Links, around.Visits, around.Routers
	for _, l := range b.Links {
		if _, err := os.Stat(filepath.Join("/sys/class/net", l.Name, "phy80211")); err == nil {
			b.Wireless = append(b.Wireless, l.Name)
		}
	}
	return nil
}

func missingUsers() (names []string) {
	for _, name := range []string{config.TorUser, config.ServeUser} {
		if _, err := machine.User(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// edited reports whether a torrc says something: Debian's has comments alone.
func edited(torrc string) bool {
	return slices.ContainsFunc(strings.Split(torrc, "\n"), func(line string) bool {
		line = strings.TrimSpace(line)
		return line != "" && !strings.HasPrefix(line, "#")
	})
}

// listening reports whether a program of the box has the port, other than on
// loopback alone (proc_net(5)).
func listening(protocol string, port uint16) bool {
	for _, name := range []string{protocol, protocol + "6"} {
		text, err := os.ReadFile("/proc/net/" + name)
		if err == nil && hasPort(string(text), port) {
			return true
		}
	}
	return false
}

// hasPort finds a socket that nobody is connected to: TCP_LISTEN is 0A, and one of
// UDP is 07.
func hasPort(table string, port uint16) bool {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "0A" && f[3] != "07" {
			continue
		}
		addr, hex, _ := strings.Cut(f[1], ":")
		n, err := strconv.ParseUint(hex, 16, 16)
		loopback := strings.HasSuffix(addr, "7F") && len(addr) == 8 || strings.HasSuffix(addr, "01000000") && len(addr) == 32
		if err == nil && uint16(n) == port && !loopback {
			return true
		}
	}
	return false
}

// setupPlan is what the answers change.
func (a *app) setupPlan(b setup.Box, answers setup.Answers, now time.Time) (p setup.Plan, err error) {
	paths := a.paths()
	text, err := answers.Text(b.Text)
	if err != nil {
		return p, err
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(paths.Main()); err == nil {
		mode = info.Mode().Perm()
	}
	if text != b.Text {
		p.Files = append(setup.Copy(paths.Main(), now), setup.File{Path: paths.Main(), Text: []byte(text), Mode: mode})
	}
	for _, name := range answers.Endpoints(b) {
		p.Files = append(p.Files, setup.File{Path: filepath.Join(paths.EndpointDir(), name+".toml"), Text: []byte{}, Mode: 0o600})
	}
	if answers.User != "" {
		p.User, p.Password = answers.User, answers.Password
		p.Files = append(p.Files, setup.File{Path: filepath.Join(paths.Accounts(), answers.User+".json")})
	}
	if b.Tor.Running && !b.Tor.Edited {
		p.Stop = debianTor
	}
	return p, nil
}

// planStaged is the plan of a box whose configuration has the files, in detail.
// The configuration in /etc stays as it is.
func (a *app) planStaged(ctx context.Context, _ setup.Box, p setup.Plan) (lines []string, err error) {
	paths := a.paths()
	dir, err := stage(paths, p.Files)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	in := a.boxInputs()
	in.Paths.Etc = dir
	if _, err := config.Load(in.Paths); err != nil {
		return nil, fmt.Errorf("with these answers the configuration would have a mistake: %w", err)
	}
	k, err := netfilter.New(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	plan, err := desire.Plan(ctx, machine.Kernel{Kernel: k}, emptyHouse().features(), in)
	return plan.Changes, err
}

// stage makes a directory that is as the configuration will be.
func stage(paths config.Paths, files []setup.File) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "tunic-setup"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
			err = fmt.Errorf("making a copy of the configuration: %w", err)
		}
	}()
	if err := copyTree(paths.Etc, dir, maxDepth); err != nil {
		return dir, err
	}
	for _, f := range files {
		below, inside := strings.CutPrefix(f.Path, paths.Etc+"/")
		if !inside || f.Text == nil {
			continue
		}
		to := filepath.Join(dir, below)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, f.Text, 0o600)); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

// maxDepth is how deep below the configuration there may be directories: a link may
// lead in a circle.
const maxDepth = 8

// copyTree copies files and directories. What links lead to is copied in their place:
// whoever writes into the copy must not write through one.
func copyTree(from, to string, depth int) error {
	info, err := os.Stat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular():
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	case !info.IsDir():
		return nil // no part of a configuration
	case depth == 0:
		return fmt.Errorf("%s: a directory so deep is no part of a configuration", from)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	for _, e := range entries {
		err = errors.Join(err, copyTree(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), depth-1))
	}
	return err
}

// ownHousehold implements setup.Household.
type ownHousehold struct{ *app }

func (h ownHousehold) Guarded(ctx context.Context) (bool, error) {
	k, err := netfilter.New(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return false, err
	}
	counters, err := k.Counters(ctx, rules.IPv4)
	wrong, wallErr := k.Wall()
	stands := !slices.ContainsFunc(wrong, func(line string) bool { return strings.HasPrefix(line, fmt.Sprint(rules.IPv4)) })
	return len(counters) > 0 || stands, errors.Join(err, wallErr)
}

func (h ownHousehold) Reload(ctx context.Context) error { return h.client().Reload(ctx) }
func (h ownHousehold) Ready(ctx context.Context) error  { return h.waitReady(ctx) }

func (h ownHousehold) Open(ctx context.Context) error {
	lock, err := box.TakeLock(h.paths())
	if err != nil {
		return err
	}
	defer lock.Release()
	k, err := netfilter.New(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return k.Teardown(ctx)
}

func (h ownHousehold) AddUser(ctx context.Context, name, password string) error {
	r := api.UserRequest{Name: name, Password: password}
	_, err := h.client().AddUser(ctx, r)
	if errors.Is(err, api.ErrNotRunning) {
		record, recordErr := people.NewRecord(r)
		if recordErr != nil {
			return recordErr
		}
		_, err = h.accounts().Create(r, record)
	}
	return err
}
