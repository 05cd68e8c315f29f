package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tunic/internal/lab"
)

func statusCommand(id *string) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show the lab's nodes, processes and captures",
		Long:    "Shows nodes, processes and captures. Ends with status 1 if a process has ended or the lab is only half built.",
		Example: "  tunic-lab status\n  tunic-lab status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			l, err := lab.Load("", *id)
			if err != nil {
				return err
			}
			s, err := l.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := printStatus(cmd.OutOrStdout(), s, asJSON); err != nil {
				return err
			}
			if !s.Healthy {
				return errors.New("the lab is not whole: a process has ended, or `up` was interrupted; take it down with `tunic-lab down`")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(w io.Writer, s lab.Status, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "NODE\tROLE\tADDRESSES\n")
	for _, n := range s.Nodes {
		fmt.Fprintf(t, "%s\t%s\t%s\n",
			n.Name, n.Role, addresses(append(n.Uplink.Addrs[:len(n.Uplink.Addrs):len(n.Uplink.Addrs)], n.LAN.Addrs...)))
	}
	fmt.Fprintf(t, "\nPROCESS\tNODE\tPID\tSTATE\n")
	for _, p := range s.Processes {
		state := "alive"
		if !p.Alive {
			state = "ended: see " + p.Log
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", p.Name, p.Node, p.PID, state)
	}
	fmt.Fprintf(t, "\nCAPTURE OF\tPACKETS\tSENT, NOT TOR\tFILE\n")
	for _, c := range s.Captures {
		file := c.File
		if c.Error != "" {
			file += "  " + c.Error
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", c.Gateway, c.Packets, c.Foreign, file)
	}
	return t.Flush()
}

func addresses(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.Addr().String()
	}
	return strings.Join(texts, " ")
}
