package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"rsc.io/qr"

	"tunic/gateway/config"
)

func addressCommand(a *app) *cobra.Command {
	var withQR, asJSON bool
	c := &cobra.Command{
		Use:     "address NAME",
		Short:   "Print the permanent address of an onion",
		Example: "  tunic address photos --qr",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			host, err := readHostname(a.paths(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(map[string]string{"name": args[0], "address": host})
			}
			a.printf("%s\n", host)
			if withQR {
				return a.printQR(host)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&withQR, "qr", false, "also draw a QR code")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// readHostname reads the file that stands beside an onion's keys; it works
// without a daemon.
func readHostname(p config.Paths, name string) (string, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", usageError("`tunic onions` lists the names", "%q is no name of an onion", name)
	}
	raw, err := readRegular(p.OnionKeys(name), "hostname")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", usageError("`tunic onions` lists the names; `tunic publish` makes one", "there is no onion %q", name)
	case errors.Is(err, os.ErrPermission):
		return "", &failure{exitFailed, err, "run the command as root (sudo)"}
	case err != nil:
		return "", err
	}
	return strings.TrimSpace(string(raw)), nil
}

// maxHostname is more than the 63 bytes of an address and a line end.
const maxHostname = 100

// readRegular reads a small file in a directory that belongs to tor's user,
// who may have put anything there: it follows no link and waits for no pipe.
func readRegular(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxHostname {
		return nil, fmt.Errorf("reading %s in %s: it is no hostname file", name, dir)
	}
	return io.ReadAll(io.LimitReader(f, maxHostname))
}

// printQR draws two modules a character, dark on light with a quiet zone
// (ISO/IEC 18004 asks for four modules).
func (a *app) printQR(text string) error {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return fmt.Errorf("drawing the QR code: %w", err)
	}
	const quiet = 4
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			a.printf("%s", half[code.Black(x, y)][code.Black(x, y+1)])
		}
		a.printf("\n")
	}
	return nil
}

// half is indexed by whether the upper and the lower module are black; it is
// drawn for terminals with a dark background.
var half = map[bool]map[bool]string{
	false: {false: "█", true: "▀"},
	true:  {false: "▄", true: " "},
}
