package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/onions"
	"tunic/gateway/machine"
	"tunic/gateway/onion"
)

// How long an old address works beside the new one if nothing is said: long
// enough for those who look in once a month, for home once in a season.
const (
	keepOnion = 30 * day
	keepHome  = 90 * day
)

func rotateCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.RotateRequest
	r.Keep = keepOnion
	c := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give an onion a new address; the old one works beside it for a while",
		Long: `Rotate makes new keys for an onion. Until the time of --keep is over (30 days,
for home 90), both addresses lead to the same service, and status shows both;
then the old one ends by itself, also when the box was off in between. With
--keep 0s it ends now. Its keys stay until ` + "`tunic unpublish NAME --forget-key`" + `.

The address of home is what mail and chat addresses are made of, and by which
friends' boxes know this one. They are not told of the new one: that is up to
you, and why home also needs --new-identity.`,
		Example: `  tunic rotate photos
  tunic rotate photos --keep 7d
  tunic rotate home --new-identity`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if r.Name == config.HomeOnion && !cmd.Flags().Changed("keep") {
				r.Keep = keepHome
			}
			return a.rotate(cmd.Context(), r, asJSON)
		},
	}
	c.Flags().Var((*span)(&r.Keep), "keep", "how long the old address works too")
	c.Flags().BoolVar(&r.NewIdentity, "new-identity", false, "for home: yes, everybody must learn the new address")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) rotate(ctx context.Context, r api.RotateRequest, asJSON bool) error {
	o, err := a.client().Rotate(ctx, r)
	alone := errors.Is(err, api.ErrNotRunning)
	if alone {
		o, err = a.rotateAlone(r)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return a.json(o)
	}
	a.printf("%s\n", o.Address)
	a.sayOld(r, o)
	if alone {
		fmt.Fprintf(a.err, "the new address is published when the daemon runs (systemctl start tunic)\n")
		return nil
	}
	if o.Private {
		fmt.Fprintf(a.err, "clients of %s find it there with the same keys\n", o.Name)
		return nil
	}
	return a.waitPublished(ctx, o.Name)
}

// sayOld tells how long the addresses that the onion had before still work.
func (a *app) sayOld(r api.RotateRequest, o api.Onion) {
	fmt.Fprintf(a.err, "%s has this address now\n", o.Name)
	if r.Keep == 0 {
		fmt.Fprintf(a.err, "its former address leads nowhere from now on\n")
	}
	address, err := onion.ParseName(o.Address)
	if err != nil {
		return
	}
	v, _ := onions.ForVisitors(a.paths(), o.Name, address) // what cannot be read is in the status
	for _, old := range v.Old {
		fmt.Fprintf(a.err, "the old address %s works until %s\n", old.Address, moment(old.Until))
	}
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// rotateAlone changes the keys for the next start of the daemon.
func (a *app) rotateAlone(r api.RotateRequest) (o api.Onion, err error) {
	err = a.withKeys(func(owner feature.IDs) error {
		address, err := onions.RotateAlone(a.paths(), ensureKeys, owner, r)
		o = api.Onion{Name: r.Name, Address: address.Host(), Ports: []api.Port{}}
		return err
	})
	return o, err
}

// withKeys runs f, which changes keys, while no daemon can; f is told whom they
// belong to.
func (a *app) withKeys(f func(owner feature.IDs) error) error {
	if a.uid != 0 {
		return &failure{exitFailed, errors.New("only root may change the keys"), asRoot}
	}
	lock, err := box.TakeLock(a.paths())
	if err != nil {
		return err
	}
	defer lock.Release()
	owner, err := machine.User(config.TorUser)
	if err != nil {
		return err
	}
	return f(owner)
}
