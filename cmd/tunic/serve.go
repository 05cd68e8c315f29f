package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

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

// linkDescriptor is where the parent puts the child's end of the link.
const linkDescriptor = 3

func serveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "serve",
		Short:  "The daemon's child that talks to devices and visitors; started by `tunic run`",
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := shed(); err != nil {
				return err
			}
			unix.Umask(0o007)                                             // mail is for serve's group too, which is the IMAP server's
			_ = os.WriteFile("/proc/self/comm", []byte("tunic-serve"), 0) // for ps; without it, the name is "exe"
			parent, err := link.FromFile(os.NewFile(linkDescriptor, "link"))
			if err != nil {
				return &failure{exitUsage, err, "this is started by `tunic run` and nobody else"}
			}
			s, err := serve.New(slog.New(slog.NewTextHandler(a.err, childLog)))
			if err != nil {
				return err
			}
			s.Devices.Read = netfilter.HardwareAddrs
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

// shed refuses to serve strangers with any privilege, and gives up the ways to
// get one: no_new_privs (prctl(2)) is a thread's own and inherited by what it
// executes, so this program executes itself once to have it in all threads.
func shed() error {
	if os.Geteuid() == 0 {
		return errors.New("serve must not run as root")
	}
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil || set == 1 {
		return err
	}
	return becomeConfined(self, append([]string{"tunic"}, os.Args[1:]...))
}

// becomeConfined replaces this process by a program that has no way to
// privileges. It returns only if that failed.
func becomeConfined(path string, args []string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	return fmt.Errorf("starting %s without ways to privileges: %w", path, unix.Exec(path, args, os.Environ()))
}
