package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/onions"
	"tunic/gateway/machine"
)

func publishCommand(a *app) *cobra.Command {
	var asJSON, notAnonymous, yes bool
	var request api.PublishRequest
	c := &cobra.Command{
		Use:   "publish NAME PORT=TARGET...",
		Short: "Give a service on the LAN a permanent onion address",
		Long: `Publish writes onions/NAME.toml and applies it. A target is an address with a
port, on a LAN host or on the box, the name of a device (nas:8080), a name below
a domain of [[dns.forward]], a unix socket (unix:/path), or a server of the box
(endpoint:gopher). The address stays the same for as long as the keys are kept.

Everybody who knows the address can reach it, unless it is private: then only
its clients can even find out that it is there. A client is a friend, or an
x25519 public key; ` + "`tunic grant`" + ` makes one for a visitor without a box.

With --fast (or --not-anonymous) the onion gives up the anonymity of its own
side: fewer hops, so it is quicker, but Tor's relays learn the address of this
box. Visitors stay anonymous. You are asked to confirm.

With --as the ports come from a profile, which also says what visitors type,
what to watch out for and which host names an application must accept: see ` + "`tunic profiles`" + `.`,
		Example: `  tunic publish photos 80=192.168.1.20:8080
  tunic publish films --as jellyfin 192.168.1.20
  tunic publish diary 80=nas:8080 --client alice
  tunic publish films 80=nas:8096 --fast
  tunic publish shell 22=127.0.0.1:22 80=unix:/run/web.sock`,
		Args: func(c *cobra.Command, args []string) error {
			if request.As != "" && len(args) == 1 {
				return usageError(fmt.Sprintf("example: tunic publish %s --as %s 192.168.1.20", args[0], request.As),
					"with --as `tunic publish` also needs the HOST of the service")
			}
			return cobra.MinimumNArgs(2)(c, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Name, request.Ports = args[0], args[1:]
			request.Fast = request.Fast || notAnonymous
			if request.Fast && !yes {
				if err := a.confirm(fastWarning(request.Name)); err != nil {
					return err
				}
			}
			o, err := a.client().Publish(cmd.Context(), request)
			if errors.Is(err, api.ErrNotRunning) {
				return a.publishAlone(cmd.Context(), request, asJSON)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(o)
			}
			a.printf("%s\n", o.Address)
			a.warnOfTargets(o)
			if err := a.adviseOn(request.As, o.Address); err != nil {
				return err
			}
			return a.waitPublished(cmd.Context(), o.Name)
		},
	}
	c.Flags().BoolVar(&request.Private, "private", false, "only its clients can find it")
	c.Flags().StringArrayVar(&request.Clients, "client", nil,
		"a friend or an x25519 public key that can find it; makes it private (can be given again)")
	c.Flags().BoolVar(&request.Fast, "fast", false, "fewer hops; relays learn where this box is")
	c.Flags().BoolVar(&notAnonymous, "not-anonymous", false, "the same as --fast")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().StringVar(&request.As, "as", "", "a profile, such as ssh or nextcloud: its ports, what to watch out for")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// fastWarning says what --fast gives up.
func fastWarning(name string) string {
	return "The onion " + name + ` will not be anonymous: some of Tor's relays learn the internet address of
this box and that it publishes this onion. A visitor can have such a relay of their
own, so assume that everyone who knows the onion can learn it. Visitors stay
anonymous, and nothing else of the household changes. Publish it like that?`
}

// warnOfTargets says which services nobody serves yet: the onion is published all
// the same.
func (a *app) warnOfTargets(o api.Onion) {
	when := "Tor is connected"
	if !o.Findable() {
		when = "somebody can find the onion"
	}
	for _, p := range o.Ports {
		switch {
		case p.Down():
			fmt.Fprintf(a.err, "warning: port %d leads to %s, and that does not answer: %s; visitors get nothing until it does\n",
				p.Port, p.Target, p.Error)
		case !p.Reachable:
			fmt.Fprintf(a.err, "port %d leads to %s, which is tested as soon as %s\n", p.Port, p.Target, when)
		}
	}
}

// publishWait is how long publish waits for the first upload. It takes about
// two seconds once Tor is connected.
const publishWait = 30 * time.Second

// waitPublished returns when visitors can find the onion, and says why they
// cannot if that takes too long; it is published all the same.
func (a *app) waitPublished(ctx context.Context, name string) error {
	for end := time.Now().Add(publishWait); ; {
		s, err := a.client().Status(ctx)
		i := slices.IndexFunc(s.Onions, func(o api.Onion) bool { return o.Name == name })
		switch {
		case ctx.Err() != nil:
			return &failure{exitFailed, errors.New("interrupted"),
				name + " is published all the same: `tunic onions " + name + "` says how far that is"}
		case err != nil:
			return err
		case i < 0:
			return fmt.Errorf("the onion %s is not published any more", name)
		case !s.Onions[i].Findable():
			fmt.Fprintf(a.err, "%s is private and has no clients: `tunic grant %s FRIEND` lets a friend find it, "+
				"`tunic grant %s NAME --new` somebody without a box\n", name, name, name)
			return nil
		case s.Onions[i].Published:
			fmt.Fprintf(a.err, "%s is published: visitors can find it now, at this address for good%s\n", name, hereToo(name))
			return nil
		case s.Tor.Bootstrap < 100 || time.Now().After(end):
			fmt.Fprintf(a.err, "%s will be published as soon as possible: %s\n", name, strings.TrimSpace(s.Why))
			return nil
		}
		pause(ctx, 200*time.Millisecond) // the next look notices the end of it
	}
}

// hereToo says what the devices of this house may call an onion.
func hereToo(name string) string {
	if here := config.NameInHouse(name); here != "" {
		return "; in this house it is " + here + " too"
	}
	return ""
}

// publishAlone writes the file for the next start of the daemon.
func (a *app) publishAlone(ctx context.Context, r api.PublishRequest, asJSON bool) error {
	o, err := onions.ParseOnion(a.paths(), r)
	if err != nil {
		return err
	}
	if local, err := (machine.Kernel{}).LocalPrefixes(ctx); err == nil {
		if err := onions.RefuseTargets(o, local); err != nil {
			return err
		}
	}
	write := func() error { return onions.WriteOnion(a.paths(), o) }
	if err := feature.EditAlone(a.paths(), write, a.paths().OnionFile(o.Name)); err != nil {
		return err
	}
	if asJSON {
		ports := make([]api.Port, len(o.Ports))
		for i, p := range o.Ports {
			ports[i] = api.Port{Port: p.Virtual, Target: p.Target.String()}
		}
		return a.json(api.Onion{Name: o.Name, Private: o.Private, Anonymous: !o.Fast, Ports: ports})
	}
	fmt.Fprintf(a.err, "%s is written; it is published when the daemon runs (systemctl start tunic)\n", o.Name)
	return nil
}

func unpublishCommand(a *app) *cobra.Command {
	r := api.UnpublishRequest{}
	var yes bool
	c := &cobra.Command{
		Use:   "unpublish NAME",
		Short: "Take an onion away; its keys are kept",
		Long: `Unpublish removes onions/NAME.toml and closes what is open through it. The keys
stay in the state directory: publishing the name again gives the same address.
With --forget-key they are deleted too, also those of earlier addresses, and
nobody can have the address again; you are asked to confirm.`,
		Example: `  tunic unpublish photos
  tunic unpublish photos --forget-key`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if err := a.checkUnpublish(r); err != nil {
				return err
			}
			if r.ForgetKey && !yes {
				if err := a.confirm("The address of " + r.Name + " will be gone for good, for everybody. Delete its keys?"); err != nil {
					return err
				}
			}
			err := a.client().Unpublish(cmd.Context(), r)
			if errors.Is(err, api.ErrNotRunning) {
				err = a.unpublishAlone(r)
			}
			if err != nil {
				return err
			}
			if r.ForgetKey {
				a.printf("%s is not published any more, and its keys are deleted\n", r.Name)
				return nil
			}
			keys := a.paths().OnionKeys(r.Name)
			if _, err := os.Lstat(keys); errors.Is(err, fs.ErrNotExist) {
				a.printf("%s is not published any more; it never had an address\n", r.Name)
				return nil
			}
			a.printf("%s is not published any more; its keys are kept in %s\n", r.Name, keys)
			fmt.Fprintf(a.err, "to delete them for good: tunic unpublish %s --forget-key\n", r.Name)
			return nil
		},
	}
	c.Flags().BoolVar(&r.ForgetKey, "forget-key", false, "delete the keys too: the address is gone for good")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// checkUnpublish says before anybody is asked anything that there is no such onion.
func (a *app) checkUnpublish(r api.UnpublishRequest) error {
	if err := onions.CheckUnpublish(a.paths(), r); err != nil {
		return err
	}
	gone := func(path string) bool {
		_, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist)
	}
	retired := filepath.Dir(a.paths().RetiredKeys(r.Name, "any"))
	if gone(a.paths().OnionFile(r.Name)) && (!r.ForgetKey || gone(a.paths().OnionKeys(r.Name)) && gone(retired)) {
		return usageError("`tunic onions` lists the names", "no onion is called %q", r.Name)
	}
	return nil
}

// unpublishAlone removes the file for the next start of the daemon.
func (a *app) unpublishAlone(r api.UnpublishRequest) error {
	if r.ForgetKey {
		return a.withKeys(func(feature.IDs) error { return onions.UnpublishAlone(a.paths(), r) })
	}
	return onions.UnpublishAlone(a.paths(), r)
}
