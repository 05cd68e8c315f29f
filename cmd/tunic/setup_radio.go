package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"tunic/gateway/accesspoint"
	"tunic/gateway/account"
	"tunic/gateway/setup"
)

// radioRun is the setup of an access point.
type radioRun struct {
	*setupRun
	manager bool // NetworkManager runs the interfaces
}

func (a *app) newRadio(ctx context.Context) *radioRun {
	s := a.newSetup(0)
	s.look = a.lookForRadio
	s.installer.Journal.Dir = filepath.Join(a.paths().Setup(), "access-point")
	r := &radioRun{s, services{}.active(ctx, "NetworkManager.service")}
	s.installer.Changed = r.changed
	return r
}

// lookForRadio finds the interfaces alone.
func (a *app) lookForRadio(ctx context.Context) (setup.Box, error) {
	var b setup.Box
	return b, lookAtLinks(ctx, &b, nil)
}

// changed has both programs read their files again. A profile that is gone ends
// the connection that it was for.
func (r *radioRun) changed(ctx context.Context) error {
	if _, err := command(ctx, "systemctl", "daemon-reload"); err != nil || !r.manager {
		return err
	}
	_, err := command(ctx, "nmcli", "connection", "reload")
	return err
}

// run asks, shows and makes the access point.
func (r *radioRun) run(ctx context.Context) error {
	box, err := r.look(ctx)
	if err != nil {
		return err
	}
	radio, err := r.asker.Radio(ctx, box, account.Generate)
	if err != nil {
		return unchanged(err)
	}
	files, units, names := r.parts(radio)
	missing, err := r.packages.Missing(ctx, names)
	if err != nil {
		return unchanged(err)
	}
	r.printf("\nThis will happen:\n")
	if len(missing) > 0 {
		r.printf("  - Debian's packages are installed, and none of their servers starts by itself: %s\n", strings.Join(missing, " "))
	}
	for _, f := range files {
		r.printf("  - %s is written\n", f.Path)
	}
	r.printf("  - whoever joins %s gets an address, and this box, %s, as gateway and DNS server\n", radio.SSID, radio.Network.Addr())
	yes, err := r.asker.Agree(ctx, "\nDo it? (yes, no)", nil)
	if err == nil && !yes {
		err = errors.New("you did not say yes")
	}
	if err != nil {
		return unchanged(err)
	}
	if len(missing) > 0 {
		if err := r.packages.Install(ctx, missing); err != nil {
			return &failure{exitFailed, err, "nothing else was changed; run it again when that is solved"}
		}
	}
	return r.make(ctx, radio, files, units)
}

func (r *radioRun) make(ctx context.Context, radio accesspoint.Radio, files []setup.File, units []string) error {
	err := r.installer.Put(ctx, files, units)
	if err == nil && r.manager { // or it says only later that the radio cannot
		if _, err = command(ctx, "nmcli", "--wait", "30", "connection", "up", accesspoint.Profile); err != nil {
			_, undone := r.installer.Undo(context.WithoutCancel(ctx), false)
			err = errors.Join(err, undone)
		}
	}
	switch {
	case errors.Is(err, setup.ErrMade):
		return &failure{exitFailed, errors.New("this box is an access point already"), "`tunic setup --access-point --undo` takes it away"}
	case err != nil:
		return takenBack(err)
	}
	r.printf("the access point is made: network %s, password %s\n", radio.SSID, radio.Password)
	r.printf("now run `tunic setup`, if this box is no gateway yet: the household is behind %s\n", radio.Interface)
	return nil
}

// parts are the files, units and packages of an access point.
func (r *radioRun) parts(radio accesspoint.Radio) (files []setup.File, units, packages []string) {
	made := radio.Files()
	units, packages = []string{radio.Hostapd(), accesspoint.DHCP}, []string{"dnsmasq-base", "hostapd", "iproute2"}
	if r.manager {
		made, units, packages = radio.NetworkManager(), []string{accesspoint.DHCP}, []string{"dnsmasq-base", "wpasupplicant"}
	}
	for _, f := range made {
		files = append(files, setup.File{Path: filepath.Join(r.paths().Root, f.Path), Text: []byte(f.Text), Mode: f.Mode})
	}
	return files, units, packages
}
