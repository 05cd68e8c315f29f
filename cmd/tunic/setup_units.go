package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"tunic/gateway/setup"
)

// services implements setup.Services by systemctl(1) and systemd-run(1).
type services struct{}

// command runs a program that says something only when it fails.
func command(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return text, fmt.Errorf("running %s %s: %w: %s", name, strings.Join(args, " "), err, oneLine(text))
	}
	return text, nil
}

func (services) installed(ctx context.Context, unit string) bool {
	state, err := command(ctx, "systemctl", "show", "--property=LoadState", "--value", unit)
	return err == nil && state == "loaded"
}

func (services) active(ctx context.Context, unit string) bool {
	u, err := services{}.State(ctx, unit)
	return err == nil && u.Active
}

// startsTor reports whether Debian's own tor runs, or starts with the box: while that is
// still booting, or at the next boot.
func (services) startsTor(ctx context.Context) bool {
	return slices.ContainsFunc(debianTor, func(unit string) bool {
		u, err := services{}.State(ctx, unit)
		return err == nil && (u.Active || u.Enabled)
	})
}

func (services) State(ctx context.Context, unit string) (setup.Unit, error) {
	text, err := command(ctx, "systemctl", "show", "--property=ActiveState,UnitFileState", unit)
	lines := strings.Split(text, "\n")
	active := slices.ContainsFunc([]string{"active", "activating", "reloading"}, func(state string) bool {
		return slices.Contains(lines, "ActiveState="+state)
	})
	return setup.Unit{Name: unit, Active: active, Enabled: slices.Contains(lines, "UnitFileState=enabled")}, err
}

func (services) Start(ctx context.Context, units ...string) error {
	return systemctl(ctx, "start", units)
}
func (services) Stop(ctx context.Context, units ...string) error {
	return systemctl(ctx, "stop", units)
}
func (services) Enable(ctx context.Context, units ...string) error {
	return systemctl(ctx, "enable", units)
}
func (services) Disable(ctx context.Context, units ...string) error {
	return systemctl(ctx, "disable", units)
}

func systemctl(ctx context.Context, verb string, units []string) error {
	_, err := command(ctx, "systemctl", append([]string{"--quiet", verb}, units...)...)
	return err
}

// Later has systemd run the undo: neither the end of this process nor that of its
// terminal or session ends a timer of the system's.
func (services) Later(ctx context.Context, timer string, after time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = command(ctx, "systemd-run", "--quiet", "--collect", "--unit="+timer,
		"--description=tunic: take a setup back that nobody confirmed",
		fmt.Sprintf("--on-active=%d", int(after.Seconds())), "--timer-property=AccuracySec=1s", "--property=Type=oneshot",
		self, "setup", "--undo", "--unconfirmed")
	return err
}

func (services) Never(ctx context.Context, timers ...string) error {
	var errs []error
	for _, timer := range timers {
		// one that is over is not there any more
		if (services{}).active(ctx, timer+".timer") {
			errs = append(errs, systemctl(ctx, "stop", []string{timer + ".timer"}))
		}
	}
	return errors.Join(errs...)
}

// apt implements packages for Debian.
type apt struct{ out io.Writer }

func (apt) Missing(ctx context.Context, names []string) (missing []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	for _, name := range names {
		status, _ := command(ctx, "dpkg-query", "-W", "-f=${Status}", name)
		if !strings.HasSuffix(status, "ok installed") {
			missing = append(missing, name)
		}
	}
	return missing, ctx.Err()
}

// policy has Debian's packages start nothing (invoke-rc.d(8)).
const policy = "/usr/sbin/policy-rc.d"

const nothingStarts = "#!/bin/sh\n# while tunic setup installs packages\nexit 101\n"

// forbidStarts has packages start nothing until release is called. Another's file stays;
// one that a power cut has left of an earlier setup goes with this one.
func forbidStarts(path string) (release func(), err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.WriteFile(path, []byte(nothingStarts), 0o755); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case string(text) != nothingStarts:
		return func() {}, nil
	}
	return func() { os.Remove(path) }, nil
}

// Install installs packages whose servers Debian would start at once, open to all
// networks: tunic starts those that it needs itself.
func (p apt) Install(ctx context.Context, names []string) error {
	release, err := forbidStarts(policy)
	if err != nil {
		return err
	}
	defer release()
	return get(ctx, p.out, names)
}

// get has apt-get install packages whose servers do not start with the box, also where
// it fails or is interrupted.
func get(ctx context.Context, out io.Writer, names []string) error {
	err := aptGet(ctx, out, names)
	return errors.Join(err, keepDown(context.WithoutCancel(ctx), names))
}

// aptGet installs packages. On Control-C apt may end what it is at: killed, it would
// leave packages that are installed in part, and dpkg at work on them.
func aptGet(ctx context.Context, out io.Writer, names []string) error {
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, names...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stderr = out
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("installing %s: apt-get %s: %w", strings.Join(names, " "), args[0], err)
		}
	}
	return nil
}

// keepDown has no server of the packages start with the box.
func keepDown(ctx context.Context, names []string) error {
	var units []string
	for _, name := range names {
		if unit := strings.TrimSuffix(name, "-imapd") + ".service"; (services{}).installed(ctx, unit) {
			units = append(units, unit)
		}
	}
	if len(units) == 0 {
		return nil
	}
	return systemctl(ctx, "disable", units)
}
