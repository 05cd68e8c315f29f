package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenerSpec is one listening socket that a privileged parent opens for a
// child without privileges.
type ListenerSpec struct {
	Name string // unique; a socket is kept as long as a spec of its name is wished

	// Network is tcp4, tcp6, udp4, udp6 (Addr or any address of Interface, Port),
	// or unix (Path, Mode, UID, GID).
	Network   string
	Addr      netip.Addr // zero: any
	Interface string     // bound to it (SO_BINDTODEVICE, socket(7)): no packet of another interface arrives
	Port      uint16

	Path     string
	Mode     fs.FileMode
	UID, GID int
}

// maxUnixPath is what fits into sockaddr_un (unix(7)).
const maxUnixPath = 107

// Listeners holds open sockets across the lives of the child that accepts on
// them: while the child is away, callers wait in the backlog.
type Listeners struct {
	open  map[string]*os.File
	paths map[string]string // of unix sockets, by name

	shared bool // with another daemon, which may take them back: their paths stay
}

// Paths returns the paths of the unix sockets by name.
func (l *Listeners) Paths() map[string]string { return l.paths }

// Adopt takes over sockets that another daemon has opened, by name, with the paths of
// those that have one. It comes before Set.
func (l *Listeners) Adopt(files map[string]*os.File, paths map[string]string) {
	l.open, l.paths, l.shared = files, make(map[string]string), true
	for name := range files {
		l.paths[name] = paths[name]
	}
}

// Settle says that the other daemon will not take the sockets back.
func (l *Listeners) Settle() { l.shared = false }

// Set opens what specs wish and is not open, and closes what no spec names.
// Sockets that could be opened are kept when others could not; the errors of
// those are joined.
func (l *Listeners) Set(ctx context.Context, specs []ListenerSpec) error {
	wished := make(map[string]bool, len(specs))
	if l.open == nil {
		l.open, l.paths = make(map[string]*os.File), make(map[string]string)
	}
	for _, s := range specs {
		wished[s.Name] = true
	}
	for name := range l.open {
		if !wished[name] {
			l.close(name)
		}
	}
	var errs []error
	for _, s := range specs {
		if l.open[s.Name] != nil {
			continue
		}
		f, err := s.listen(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("opening listener %s: %w", s.Name, err))
			continue
		}
		l.open[s.Name], l.paths[s.Name] = f, s.Path
	}
	return errors.Join(errs...)
}

// Files returns the open sockets by name. They stay the property of l.
func (l *Listeners) Files() map[string]*os.File { return l.open }

// Close closes all of them.
func (l *Listeners) Close() {
	for name := range l.open {
		l.close(name)
	}
}

func (l *Listeners) close(name string) {
	l.open[name].Close()
	if path := l.paths[name]; path != "" && !l.shared {
		os.Remove(path) // what is left of it would only refuse
	}
	delete(l.open, name)
	delete(l.paths, name)
}

func (s ListenerSpec) listen(ctx context.Context) (*os.File, error) {
	switch s.Network {
	case "unix":
		return s.listenUnix()
	case "tcp4", "tcp6", "udp4", "udp6":
		return s.listenInet(ctx)
	}
	return nil, fmt.Errorf("unknown network %q", s.Network)
}

func (s ListenerSpec) listenInet(ctx context.Context) (*os.File, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bindErr error
		err := c.Control(func(fd uintptr) {
			if s.Interface != "" {
				bindErr = unix.BindToDevice(int(fd), s.Interface)
			}
		})
		return errors.Join(err, bindErr)
	}}
	addr := fmt.Sprintf(":%d", s.Port)
	if s.Addr.IsValid() {
		addr = netip.AddrPortFrom(s.Addr, s.Port).String()
	}
	if s.Network[:3] == "udp" {
		pc, err := lc.ListenPacket(ctx, s.Network, addr)
		if err != nil {
			return nil, err
		}
		defer pc.Close()
		return pc.(*net.UDPConn).File()
	}
	ln, err := lc.Listen(ctx, s.Network, addr)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return ln.(*net.TCPListener).File()
}

// listenUnix binds under a name of its own, sets owner and mode, and only then
// renames the socket to its path: nobody can connect before that.
func (s ListenerSpec) listenUnix() (*os.File, error) {
	fresh := filepath.Join(filepath.Dir(s.Path), ".new")
	if len(s.Path) > maxUnixPath || len(fresh) > maxUnixPath {
		return nil, fmt.Errorf("the path %s has %d characters, the kernel takes %d: use a shorter root", s.Path, len(s.Path), maxUnixPath)
	}
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	defer ln.Close()
	if err := errors.Join(os.Chown(fresh, s.UID, s.GID), os.Chmod(fresh, s.Mode)); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, s.Path); err != nil {
		return nil, err
	}
	return ln.File()
}
