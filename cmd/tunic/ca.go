package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/ca"
)

func caCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ca",
		Short: "Print the certificate that devices install to trust the box's servers",
		Long: `The box signs the certificates of its mail and chat servers itself. A device that
installs this one trusts it for names below home.arpa and onion and for nothing
else. Compare the fingerprint with what the device shows.

The certificate goes to standard output, in PEM.`,
		Example: `  tunic ca > tunic-ca.crt
  tunic ca --json`,
		RunE: func(*cobra.Command, []string) error {
			authority, err := ca.Read(a.paths().CA())
			if errors.Is(err, fs.ErrNotExist) {
				return &failure{exitFailed, errors.New("the box has no certificate authority yet"),
					"the daemon makes it at its first start (systemctl start tunic)"}
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(map[string]string{"name": authority.Name(), "fingerprint_sha256": authority.Fingerprint(),
					"not_after": authority.NotAfter().Format(time.RFC3339), "pem": authority.Certificate()})
			}
			a.print(authority.Certificate())
			fmt.Fprintf(a.err, "%s, until %s\nSHA-256 %s\n",
				authority.Name(), authority.NotAfter().Format(time.DateOnly), authority.Fingerprint())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
