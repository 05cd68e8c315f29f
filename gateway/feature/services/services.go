// Package services is what friends may use of this house, and what they offer it, as a
// feature: files services/NAME.toml, the certificate by which boxes know each other, the
// ports that devices dial, and the commands that are started for friends.
package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"
	"tunic/gateway/anchor"
	"tunic/gateway/cell"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/supervise"
	"tunic/rules"
)

// Sign signs a message with the key in an onion's directory.
type Sign func(dir string, owner feature.IDs, message []byte) (peer.Signature, error)

// Start runs a command for a friend.
type Start func(o cell.Order, stream, status *os.File) (*supervise.Process, error)

// Look asks serve whether the server of a service takes connections.
type Look func(ctx context.Context, service string) (link.PortStatus, error)

// Parts are what the feature asks.
type Parts struct {
	Paths config.Paths
	Owner feature.IDs // of the keys: tor's user
	Log   *slog.Logger
	Sign  Sign
	Start Start
	At    Look // at a server that was just offered
}

// Feature answers api.Services, and starts commands for serve.
type Feature struct {
	Parts
	host feature.Host

	mu    sync.Mutex
	of    onion.Address // whose leaf is
	leaf  anchor.Leaf   // of home; the zero Leaf: none yet
	runs  map[*run]struct{}
	count map[string]int // of runs, by service and friend

	starts map[string]*rate.Limiter // by friend
}

var (
	_ feature.Feature  = (*Feature)(nil)
	_ feature.Reporter = (*Feature)(nil)
)

// New returns the feature. Without a host it answers nobody.
func New(host feature.Host, p Parts) *Feature {
	return &Feature{Parts: p, host: host, runs: make(map[*run]struct{}), count: make(map[string]int),
		starts: make(map[string]*rate.Limiter)}
}

// Name implements feature.Feature.
func (*Feature) Name() string { return "services" }

// Answers says who answers what serve asks.
func (f *Feature) Answers(m *link.Mux) { link.HandleFiles(m, link.RunService, 2, f.run) }

// Look implements feature.Feature.
func (f *Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if !s.Foreseen {
		f.certify(s, r)
		f.endOthers(s.Config, s.Service)
		makeInbox(s, r)
	}
	f.mu.Lock()
	leaf := f.leaf
	f.mu.Unlock()
	seen := found{leaf: leaf}
	for _, service := range s.Config.Services {
		if why := unusable(service, s.Service); why != "" {
			r.Find(health.ServiceUnusable, service.Name, "friends cannot use the service %s: %s", service.Name, why)
			seen.unusable = append(seen.unusable, service.Name)
		}
	}
	return feature.Want(want, seen)
}

// found is what the wish depends on beside the scene.
type found struct {
	leaf     anchor.Leaf
	unusable []string // services, by name
}

// unusable says why a service does not work, "" if it does as far as is known.
func unusable(s config.Service, user feature.IDs) string {
	if len(s.Command) == 0 {
		return ""
	}
	if user == (feature.IDs{}) {
		return "the system user " + config.ServiceUser + ", as whom commands run, does not exist"
	}
	if name := s.Command[0]; !filepath.IsAbs(name) {
		if found, err := exec.LookPath(name); err == nil && filepath.IsAbs(found) {
			return "write the program with its whole path: " + found
		}
		return name + " is no program with its whole path, such as /usr/bin/uptime"
	}
	switch info, err := os.Stat(s.Command[0]); {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no program " + s.Command[0]
	case err != nil:
		return fmt.Sprintf("its program cannot be looked at: %v", err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o001 == 0:
		return s.Command[0] + " is no program that everybody may start"
	}
	return ""
}

// certify keeps a certificate of home for the time to come.
func (f *Feature) certify(s *feature.Scene, r *feature.Report) {
	home, ok := s.Addresses[config.HomeOnion]
	if !ok || s.Certain.IsZero() || !s.Config.OffersServices() && len(s.Offered) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == home && s.Certain.Before(f.leaf.NotAfter.Add(-anchor.RenewBefore)) {
		return
	}
	leaf, err := anchor.Issue(home, func(message []byte) ([]byte, error) {
		signature, err := f.Sign(f.Paths.OnionKeys(config.HomeOnion), f.Owner, message)
		return signature[:], err
	}, s.Certain)
	if err != nil {
		r.Find(health.ServiceUnusable, "", "friends can use no service: %v", err)
		return
	}
	f.of, f.leaf = home, leaf
}

// want wants what friends may use, and ways to what they offer.
func want(s feature.Scene, d *feature.Desired, f found) {
	leaf := f.leaf
	if leaf.Cert == "" {
		return
	}
	w := &link.Services{Home: link.Key(peer.KeyOf(s.Addresses[config.HomeOnion])), Leaf: link.TLS{Cert: leaf.Cert, Key: leaf.Key}}
	for _, service := range s.Config.Services {
		if !slices.Contains(f.unusable, service.Name) {
			w.Own = append(w.Own, own(service, s.Config.Peers))
			d.May(s.Serve, way(service.Target)...)
		}
	}
	w.Own = append(append(w.Own, inbox(s)...), table(s)...)
	wantAbroad(s, d, w)
	if len(w.Own)+len(w.Friends) > 0 {
		d.Serve.Services = w
	}
}

// own is a service as serve has it.
func own(s config.Service, peers []config.Peer) link.OwnService {
	t := s.Target
	o := link.OwnService{Name: s.Name, Command: len(s.Command) > 0, AtOnce: s.Limits.AtOnce, Time: s.Limits.Time,
		Target: link.Port{Addr: t.Addr, Host: t.Host, HostPort: t.Port, Unix: t.Unix, Proxy: string(t.Proxy)}}
	for _, p := range peers {
		if slices.Contains(s.Friends, p.Name) {
			o.Friends = append(o.Friends, who(p))
		}
	}
	return o
}

func who(p config.Peer) link.ServiceFriend {
	return link.ServiceFriend{Onion: link.Key(peer.KeyOf(onion.Address(p.Onion))), Name: p.Name}
}

// way is where serve leads friends.
func way(t config.Target) []rules.Way {
	switch {
	case t.Host != "": // where that is changes without the configuration
		return []rules.Way{{Protocol: rules.ProtocolTCP, Port: t.Port}}
	case t.Addr.IsValid():
		return []rules.Way{{Protocol: rules.ProtocolTCP, To: t.Addr.Addr().Unmap().WithZone(""), Port: t.Addr.Port()}}
	}
	return nil
}

// wantAbroad leads devices that dial port 1 of a friend's own name, or the port of
// something that the friend offers, to serve. What has another meaning there keeps it. Port 1
// is led from the first moment, when a new friend's box has not said yet what it offers:
// without serve, a device would speak with that box in words that it does not know.
func wantAbroad(s feature.Scene, d *feature.Desired, w *link.Services) {
	tables := wantTable(s, d, w) // before the addresses of friends: rules have a service's own address first
	for _, n := range d.Serve.DNS.Names {
		offers := s.Offered[peer.Key(n.Onion).Address()]
		if n.Label == "" || n.Box || strings.Contains(n.Label, ".") {
			continue
		}
		f := link.FriendServices{Onion: n.Onion, Addrs: n.Addrs, Offers: offers}
		ports := []uint16{config.MuxPort}
		for _, o := range offers {
			if o.Port != 0 && !slices.Contains(ports, o.Port) {
				ports = append(ports, o.Port)
			}
		}
		for _, a := range n.Addrs {
			if a.Is4() || s.Facts.IPv6 {
				lead(d, ports, rules.Service{Name: "services", Internal: config.ServeServicesPort, To: a})
			}
		}
		w.Friends = append(w.Friends, f)
	}
	if len(w.Friends) == 0 && !tables {
		return
	}
	d.EachFamily(s, func(i feature.InterfaceFacts, family string) {
		w.Listeners = append(w.Listeners, d.Listen("services", i, "tcp"+family, config.ServeServicesPort))
	})
}

func lead(d *feature.Desired, ports []uint16, to rules.Service) {
	for _, port := range ports {
		taken := slices.ContainsFunc(d.Rules.Services, func(other rules.Service) bool {
			return other.Public == port && (other.Virtual || other.To == to.To)
		})
		if !taken {
			to.Public = port
			d.Rules.Services = append(d.Rules.Services, to)
		}
	}
}

// environment is what a command is told: of UCSPI's names those that mean something here.
func environment(s config.Service, friend config.Peer, home onion.Address) []string {
	who := friend.Onion + config.PeerDomain
	return []string{"TUNIC_FRIEND=" + friend.Name, "TUNIC_KEY=" + friend.Onion, "TUNIC_SERVICE=" + s.Name,
		"PROTO=TCP", "TCPREMOTEHOST=" + who, "TCPREMOTEINFO=" + friend.Name, "TCPLOCALHOST=" + string(home) + config.PeerDomain,
		fmt.Sprintf("TCPLOCALPORT=%d", config.MuxPort), "LANG=C.UTF-8", "HOME=/"}
}

// order is what is run, for whom.
func order(s config.Service, friend config.Peer, home onion.Address, user feature.IDs) cell.Order {
	return cell.Order{Name: s.Name, Command: s.Command, Env: environment(s, friend, home), UID: user.UID, GID: user.GID,
		Time: s.Limits.Time, Memory: s.Limits.Memory, Processes: s.Limits.Processes}
}
