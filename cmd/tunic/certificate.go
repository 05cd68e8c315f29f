package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/anchor"
	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

func certificateCommand(a *app) *cobra.Command {
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use:   "certificate ONION --out DIR",
		Short: "Make a TLS certificate that everybody who has the onion's address can verify",
		Long: `Certificate writes a certificate into DIR that the onion's key has signed, for
programs of the house that serve TLS at the onion, or show others by it who they
are: certificate.pem and key.pem, both.pem with the two in one, and anchor.pem.
The names in it are KEY.peer.home.arpa and KEY.onion. Others verify it with what
` + "`tunic anchor KEY`" + ` prints. The files belong to whom DIR belongs to.

It lasts 90 days. A certificate in DIR that lasts 30 days or longer is left as it
is. certificates = "DIR" in the onion's file has the daemon renew it by itself.`,
		Example: `  tunic certificate photos --out /srv/photos/tls
  tunic certificate home --out /root/tls --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usageError("--out DIR names it", "the certificate needs a directory")
			}
			return a.certificate(args[0], out, asJSON)
		},
	}
	c.Flags().StringVar(&out, "out", "", "the directory; it is made if it is not there")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) certificate(name, out string, asJSON bool) error {
	id, err := readKeys(a.paths(), name)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no directory %s", filepath.Dir(dir))
		}
		return wrongInput(err, "name a directory below one that is there, or make that one first")
	}
	sign := func(message []byte) ([]byte, error) { return tor.Sign(id.Secret, message) }
	f, err := anchor.Keep(dir, id.Address, sign, time.Now())
	if err != nil {
		return wrongInput(err, "nothing else was changed")
	}
	names := anchor.Names(id.Address)
	if asJSON {
		return a.json(map[string]any{"dir": dir, "names": names, "not_after": f.NotAfter.Format(time.RFC3339), "new": f.New})
	}
	if !f.New {
		fmt.Fprintf(a.err, "the certificate that is there lasts long enough, so it was left as it is\n")
	}
	a.printf("%s: for %s, until %s\n", filepath.Join(dir, anchor.CertFile), strings.Join(names, " and "),
		f.NotAfter.Format(time.DateOnly))
	return nil
}

func anchorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "anchor FRIEND|KEY",
		Short: "Print what verifies the certificates of an onion",
		Long: `Anchor prints the certificate, in PEM, by which programs verify those that an onion's
key has signed. It is computed from the address, also of a stranger's onion, and
is the same everywhere; neither the daemon nor a network is needed, and for a KEY
nobody has to be root. A friend's name stands for the home onion of that friend's box.

Programs that have it trust the onion for its own names and for no other.`,
		Example: `  tunic anchor alice > alice.pem
  tunic anchor pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion > them.pem`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := a.anchorOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			a.print(anchor.PEM(address))
			return nil
		},
	}
}

// anchorOf is the address that is meant by a word: 56 letters, with what names of
// onions end in or without, or a friend's name.
func (a *app) anchorOf(ctx context.Context, word string) (onion.Address, error) {
	address, err := parseAnchor(word)
	if err == nil {
		return address, nil
	}
	if config.CheckPetname(word) != nil {
		return "", usageError("name a friend, or the 56 letters of an onion's address", "%q is no name of a friend, and %v", word, err)
	}
	return a.friendsHome(ctx, word)
}

func parseAnchor(word string) (onion.Address, error) {
	key := strings.TrimSuffix(strings.ToLower(word), ".")
	key, house := strings.CutSuffix(key, config.PeerDomain)
	if !house {
		key = strings.TrimSuffix(key, ".onion")
	}
	return onion.Parse(key[strings.LastIndexByte(key, '.')+1:])
}
