package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"rsc.io/qr"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature/onions"
	"tunic/gateway/onion"
)

func addressCommand(a *app) *cobra.Command {
	var withQR, asJSON bool
	c := &cobra.Command{
		Use:   "address NAME",
		Short: "Print the permanent address of an onion, and how to visit it",
		Long: `Address prints the address to standard output, and beside it what visitors open
or type for each port, who can find it if it is private, and at which earlier
addresses it still is. An onion with i2p = true has a second line, its address
there. The QR code holds the first link, or the address.`,
		Example: `  tunic address photos --qr
  tunic address home`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			host, err := readHostname(a.paths(), args[0])
			if err != nil {
				return err
			}
			address, err := onion.ParseName(host)
			if err != nil {
				return fmt.Errorf("reading the address of %s: %w", args[0], err)
			}
			v, err := onions.ForVisitors(a.paths(), args[0], address)
			if err != nil {
				fmt.Fprintf(a.err, "what is there cannot be told: %v\n", err)
			}
			if asJSON {
				return a.json(v)
			}
			a.printf("%s\n", v.Address)
			if v.I2P != "" {
				a.printf("%s\n", v.I2P)
			}
			a.printVisit(v)
			if withQR {
				return a.printQR(firstLink(v))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&withQR, "qr", false, "also draw a QR code")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printVisit says beside the address what is good to know.
func (a *app) printVisit(v api.Visit) {
	say := func(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
	for _, p := range v.Ports {
		say("  port %-5d  %s", p.Port, p.Visit)
	}
	for _, old := range v.Old {
		say("  until %s also at %s", moment(old.Until), old.Address)
	}
	if v.Private {
		say("  private: %s can find it. Tor Browser asks for the client's key; for another tor,\n"+
			"  a file (%s.auth_private) in its ClientOnionAuthDir has the line, with that key in it:\n    %s",
			cmp.Or(clientNames(api.Onion{Clients: v.Clients}), "nobody"), v.Name, v.ClientLine)
		say("  a key for another visitor: tunic grant %s NAME --new", v.Name)
	}
	if !v.Anonymous {
		say("  not anonymous: relays know where this box is")
	}
	if !v.Published {
		say("  nobody finds it now: `tunic onions` says why")
	}
}

// firstLink is what a telephone can open: the first link, or else the address.
func firstLink(v api.Visit) string {
	for _, p := range v.Ports {
		if strings.Contains(p.Visit, "://") && !strings.Contains(p.Visit, " ") {
			return p.Visit
		}
	}
	return v.Address
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
func (a *app) printQR(text string) error { return drawQR(a.out, text) }

func drawQR(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return fmt.Errorf("drawing the QR code: %w", err)
	}
	const quiet = 4
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			fmt.Fprint(w, half[code.Black(x, y)][code.Black(x, y+1)])
		}
		fmt.Fprintln(w)
	}
	return nil
}

// half is indexed by whether the upper and the lower module are black; it is
// drawn for terminals with a dark background.
var half = map[bool]map[bool]string{
	false: {false: "█", true: "▀"},
	true:  {false: "▄", true: " "},
}
