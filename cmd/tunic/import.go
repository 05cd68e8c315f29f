package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/onions"
	"tunic/gateway/onion"
)

func importCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "import NAME DIR",
		Short: "Take over the address of another tor's onion, or a vanity address",
		Long: `Import copies the keys in DIR, the HiddenServiceDir of any tor or what a generator
such as mkp224o has made. The onion NAME has that address from then on. DIR
stays as it is. The other tor must not publish it any more: two services with
one address take each other's visitors away. One that was private there is not
published here for others than before.

Keys that others than their owner could read are refused.`,
		Example: `  tunic import blog /var/lib/tor/blog
  tunic import shop ./shopabc2k4aaf7kxnlj7y77stq5mdx6ltdf5hekpoh7j4u6vbxubhbut.onion`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := onion.ReadIdentity(args[1])
			if _, none := os.Lstat(args[1]); errors.Is(none, fs.ErrNotExist) {
				return usageError("name the HiddenServiceDir of the other tor; nothing was changed", "there is no directory %s", args[1])
			}
			if err != nil {
				return wrongInput(err, "nothing was changed")
			}
			done, err := a.importKeys(cmd.Context(), args[0], id)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(done)
			}
			a.printf("%s\n", done.Address)
			fmt.Fprintf(a.err, "%s has this address now; publish it: tunic publish %s PORT=TARGET%s\n",
				done.Name, done.Name, clientFlags(id.Clients))
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// clientFlags are the words by which an onion stays private for the clients that
// came with its keys.
func clientFlags(files map[string]string) string {
	var b strings.Builder
	for _, file := range slices.Sorted(maps.Keys(files)) {
		client := strings.TrimPrefix(strings.TrimSpace(files[file]), "descriptor:x25519:")
		if label := strings.TrimSuffix(file, ".auth"); config.CheckName(label) == nil {
			client = label + ":" + client
		}
		b.WriteString(" --client " + client)
	}
	return b.String()
}

func (a *app) importKeys(ctx context.Context, name string, id onion.Identity) (api.Imported, error) {
	done, err := a.client().Import(ctx, api.ImportRequest{Name: name, Secret: id.Secret, Clients: id.Clients})
	if !errors.Is(err, api.ErrNotRunning) {
		return done, err
	}
	err = a.withKeys(func(owner feature.IDs) error { return onions.ImportAlone(a.paths(), owner, name, id) })
	return api.Imported{Name: name, Address: id.Address.Host(), Clients: len(id.Clients)}, err
}

func exportCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "export NAME DIR",
		Short: "Copy an onion's keys into a directory of tor's own format",
		Long: `Export writes the keys of an onion into DIR, which must not exist yet, as tor
keeps them: any tor can use it as its HiddenServiceDir, once it belongs to that
tor's user. Whoever has this directory has the address. The onion here stays as it
is: unpublish it before another tor publishes it. ` + "`tunic backup`" + ` keeps all
keys at once, encrypted.`,
		Example: "  tunic export photos /root/photos-keys",
		Args:    cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := readKeys(a.paths(), args[0])
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			if err := id.Create(dir, os.Geteuid(), os.Getegid()); err != nil {
				return wrongInput(err, "name a directory that does not exist yet")
			}
			a.printf("the keys of %s are in %s; keep them secret\n", id.Address.Host(), dir)
			return nil
		},
	}
}

// readKeys reads the keys of an onion here. Nothing changes them while they
// have their place, so no daemon is needed.
func readKeys(p config.Paths, name string) (onion.Identity, error) {
	if err := config.CheckName(name); err != nil {
		return onion.Identity{}, wrongInput(err, "`tunic onions` lists the names")
	}
	id, err := onion.ReadIdentity(p.OnionKeys(name))
	if errors.Is(err, os.ErrNotExist) {
		err = usageError("`tunic onions` lists the names", "there are no keys of an onion called %q", name)
	}
	return id, err
}
