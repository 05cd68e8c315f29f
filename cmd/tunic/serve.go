package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tunic/gateway/link"
	"tunic/gateway/serve"
	"tunic/rules/netfilter"
)

// self is this program, also for a user who may not enter the directory that
// it lies in, and also after a package has replaced the file (proc(5)): parent
// and child are always of one version.
const self = "/proc/self/exe"

// confine is before every child (supervise.Command).
var confine = []string{self, "confine"}

// serveMemory bounds serve's data; Go collects garbage in earnest, and takes the
// time for it, at serveHeap (GOMEMLIMIT, package runtime).
const (
	serveMemory = 512 << 20
	serveHeap   = "GOMEMLIMIT=384MiB"
)

// startedByRun is what to say to others.
const startedByRun = "this is started by `tunic run` and nobody else"

// linkDescriptor is where the parent puts the child's end of the link.
const linkDescriptor = 3

func serveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "serve",
		Short:  "The daemon's child that talks to devices and visitors; started by `tunic run`",
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := withoutPrivileges(); err != nil {
				return &failure{exitUsage, err, startedByRun}
			}
			unix.Umask(0o007)                                             // mail is for serve's group too, which is the IMAP server's
			_ = os.WriteFile("/proc/self/comm", []byte("tunic-serve"), 0) // for ps; without it, the name is "exe"
			parent, err := link.FromFile(os.NewFile(linkDescriptor, "link"))
			if err != nil {
				return &failure{exitUsage, err, startedByRun}
			}
			s, err := serve.New(slog.New(slog.NewTextHandler(a.err, childLog)))
			if err != nil {
				return err
			}
			s.Devices.Read = netfilter.HardwareAddrs
			leanLater(cmd.Context())
			return s.Run(cmd.Context(), parent)
		},
	}
}

// childLog leaves the time to the parent, which repeats the lines.
var childLog = &slog.HandlerOptions{ReplaceAttr: func(_ []string, at slog.Attr) slog.Attr {
	if at.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return at
}}

// withoutPrivileges refuses to serve strangers with any privilege, or with a way
// to get one (no_new_privs, prctl(2)).
func withoutPrivileges() error {
	if os.Geteuid() == 0 {
		return errors.New("serve must not run as root")
	}
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err == nil && set != 1 {
		err = errors.New("serve must have no way to privileges")
	}
	return err
}
