package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

func servicesCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "services",
		Short: "List what friends may use of this house, and what they let it use",
		Long: `Services lists the programs and servers that friends may use here, with who may, and
what friends' boxes offer this one. A friend's service with a port of its own is
reached at that port of the friend's name by any program; ` + "`tunic pipe`" + ` reaches each.`,
		Example: "  tunic services\n  tunic services --json | jq -r '.[] | select(.by == \"alice\") | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Services(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, s := range list {
				a.printf("%s\n", oneLine(serviceLine(s)))
			}
			if len(list) == 0 {
				a.printf("no services: `tunic service add` lets friends use a program or a server of this house\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// serviceLine describes a service.
func serviceLine(s api.FriendService) string {
	port := ""
	if s.Port != 0 {
		port = fmt.Sprintf(", port %d", s.Port)
	}
	if s.By != "" {
		line := s.Name + ": offered by " + s.By + port
		if s.Port != 0 {
			return line + " of " + s.By + config.PeerDomain
		}
		if s.Name == config.DropService {
			return line + ": tunic send " + s.By + " FILE"
		}
		if s.Name == config.TalkService {
			return line + ": tunic chat " + s.By
		}
		return line + ": tunic pipe " + s.By + " " + s.Name
	}
	who := strings.Join(s.Friends, ", ")
	if who == "" {
		who = "nobody"
	}
	line := s.Name + ": " + strings.Join(s.Command, " ") + s.Target + port + ", for " + who
	if s.Error != "" {
		line += "; does not work: " + s.Error
	}
	return line
}

func serviceCommand(a *app) *cobra.Command {
	return group(a, &cobra.Command{
		Use:   "service",
		Short: "Let friends use a program or a server of this house, or end that",
		Example: `  tunic service add uptime --friend bob -- /usr/bin/uptime
  tunic service remove uptime`,
	}, serviceAddCommand, serviceRemoveCommand)
}

func serviceAddCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.ServiceRequest
	c := &cobra.Command{
		Use:   "add NAME --friend FRIEND [--port PORT] {--target HOST:PORT | -- PROGRAM [ARG...]}",
		Short: "Let friends use a program or a server of this house",
		Long: `Add writes services/NAME.toml and applies it. The friends who are named may use the
service, and nobody else can see that it is there: their boxes prove who they are
before a byte of what they ask is read.

A PROGRAM is started for each who comes; its input and output is the friend, and
TUNIC_FRIEND says which. It has no network, no privileges, and limits of time, memory
and processes (in the file); it ends with the connection. It is a user of its own,
tunic-service, and sees nothing of /home. A server is reached at HOST:PORT.

With a port, programs in friends' houses reach it at that port of this box's name there.
To change a service, edit its file and run ` + "`tunic reload`" + `.`,
		Example: `  tunic service add uptime --friend bob -- /usr/bin/uptime
  tunic service add finger --friend bob --friend carol --port 79 -- /bin/sh -c 'read who; uptime'
  tunic service add share --friend bob --port 564 -- /usr/sbin/diod -f -n -r 0 -w 1 -S --nwthreads 4 -e /srv/share
  tunic service add printer --friend bob --target 192.168.1.30:9100`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name, r.Command = args[0], args[1:]
			s, err := a.client().AddService(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(s)
			}
			a.printf("%s\n", oneLine(serviceLine(s)))
			if s.Down != "" {
				fmt.Fprintf(a.err, "warning: %s does not answer: %s; friends get nothing until it does\n",
					oneLine(s.Target), oneLine(s.Down))
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&r.Friends, "friend", nil, "who may use it (can be given again)")
	c.Flags().StringVar(&r.Target, "target", "", "a server instead of a program: HOST:PORT or unix:/PATH")
	c.Flags().BoolVar(&r.Proxy, "proxy", false, "tell the server which friend comes, by a PROXY header of version 2")
	c.Flags().Uint16Var(&r.Port, "port", 0, "the port at this box's name in friends' houses")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func serviceRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Take a service away from everybody, at once",
		Long:    "Remove removes services/NAME.toml and applies that. What somebody uses of it just now ends.",
		Example: "  tunic service remove uptime",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().RemoveService(cmd.Context(), api.ServiceName{Name: args[0]}); err != nil {
				return err
			}
			a.printf("%s is not offered any more\n", args[0])
			return nil
		},
	}
}
