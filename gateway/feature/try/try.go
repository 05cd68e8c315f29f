// Package try says whether a site opens through Tor, and why it does not.
package try

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Server opens pages through Tor.
type Server interface {
	Try(ctx context.Context, a link.Attempt) (link.Attempted, error)
}

// Tor knows its circuits.
type Tor interface {
	ExitOf(password string) (tor.Exit, bool)
}

// Finder finds the device that a person means.
type Finder interface {
	Find(ctx context.Context, word string) (api.Device, error)
}

// Visitor answers the verb Try of api.Devices.
type Visitor struct {
	Host   feature.Host
	Server Server
	Tor    Tor
	Finder Finder
}

const (
	// limit bounds all attempts together.
	limit = 58 * time.Second
	// maxAttempts is two exits, and one more where tor chose the same one again.
	maxAttempts = 3
	// attemptTime is what another attempt may take; less is left for none.
	attemptTime = 28 * time.Second
)

// Try opens a page through Tor; where it does not open, once more by another exit, to
// tell a site that is away apart from one that refuses an exit.
func (v Visitor) Try(ctx context.Context, r api.TryRequest) (api.Try, error) {
	page, err := parse(r.URL)
	if err != nil {
		return api.Try{}, err
	}
	answer := api.Try{URL: page.url, Way: api.ByTor, Attempts: []api.TryAttempt{}}
	now, device := v.Host.Now(), api.Device{}
	if r.Device != "" {
		if device, err = v.Finder.Find(ctx, r.Device); err != nil {
			return answer, err
		}
		answer.Device, answer.Policy, answer.Way = words(device), device.Policy, way(now.Desired.Rules, device, page)
	}
	if answer.Way == api.Blocked {
		answer.Verdict, answer.Action = blocked(device)
		return answer, nil
	}
	if !now.Open {
		return answer, now.NotYet("trying a site")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for begin := time.Now(); len(answer.Attempts) < maxAttempts && time.Since(begin) < limit-attemptTime; {
		got, err := v.Server.Try(ctx, page.Attempt)
		if err != nil {
			return answer, fmt.Errorf("trying a site: %w", err)
		}
		answer.Attempts = append(answer.Attempts, v.attempt(got))
		if enough(answer.Attempts) {
			break
		}
	}
	judge(&answer, page, device)
	return answer, nil
}

// attempt adds to what serve saw by which exit it was.
func (v Visitor) attempt(got link.Attempted) api.TryAttempt {
	a := api.TryAttempt{Status: got.Status, Challenge: plain(got.Challenge), Steps: []api.TryStep{}}
	for _, s := range got.Steps {
		a.Steps = append(a.Steps, api.TryStep{Step: s.Kind, OK: s.Fault == "", Seconds: s.Took.Seconds(),
			Saw: plain(s.Saw), Fault: string(s.Fault), Error: plain(s.Reason)})
	}
	if e, ok := v.Tor.ExitOf(got.Circuit); ok {
		a.Exit = &api.TryExit{Nickname: e.Nickname, Fingerprint: e.Fingerprint, Address: e.Address, Country: e.Country}
	}
	return a
}

// plain makes a text that serve sent, which speaks with strangers, fit for a line.
func plain(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			runes[i] = ' '
		}
	}
	return string(runes[:min(len(runes), 300)])
}

// enough reports whether another attempt would tell nothing new.
func enough(list []api.TryAttempt) bool {
	last := list[len(list)-1]
	if o := outcomeOf(last); o.opens || o.fault == link.FaultHome {
		return true
	}
	return len(list) > 1 && !sameExit(list)
}

// sameExit reports whether all attempts left the network by one relay.
func sameExit(list []api.TryAttempt) bool {
	return !slices.ContainsFunc(list, func(a api.TryAttempt) bool {
		return a.Exit == nil || list[0].Exit == nil || a.Exit.Fingerprint != list[0].Exit.Fingerprint
	})
}

// page is what is to be opened.
type page struct {
	link.Attempt
	url string
}

// onion reports whether the page is reached without an exit.
func (p page) onion() bool {
	return strings.HasSuffix(p.Host, ".onion") || strings.HasSuffix(p.Host, config.PeerDomain)
}

const urlHint = "example: tunic try https://bank.example/login"

// parse takes what people write: an address of a page, or a name alone.
func parse(text string) (p page, err error) {
	given := strings.TrimSpace(text)
	if !strings.Contains(given, "://") {
		given = "//" + given
	}
	u, err := url.Parse(given)
	if err != nil || u.Hostname() == "" {
		return p, feature.Usage(fmt.Errorf("%q is no address of a page", text), urlHint)
	}
	p.Host = strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if strings.ContainsFunc(p.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '%' }) {
		return p, feature.Usage(fmt.Errorf("%q has letters that no name on the wire has", p.Host),
			"copy the address from a browser that has the page open: xn--...")
	}
	switch u.Scheme {
	case "http", "https":
	case "":
		u.Scheme = "https"
		if p.onion() {
			u.Scheme = "http"
		}
	default:
		return p, feature.Usage(fmt.Errorf("tunic opens http and https, not %s", u.Scheme), urlHint)
	}
	p.TLS, p.Port = u.Scheme == "https", 80
	if p.TLS {
		p.Port = 443
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return p, feature.Usage(fmt.Errorf("%s is no port", text), urlHint)
		}
		p.Port = uint16(n)
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	p.Path, p.url = u.RequestURI(), u.String()
	return p, nil
}

// words names a device for people.
func words(d api.Device) string {
	if d.Name == "" {
		return "the device " + d.MAC
	}
	return d.Name
}

// way is how a device would go to a page: its policy decides, then bypasses.
func way(in rules.Input, d api.Device, p page) api.TryWay {
	switch config.Policy(d.Policy) {
	case config.PolicyBlock:
		return api.Blocked
	case config.PolicyDirect:
		return api.ByDirect
	case config.PolicyOnion:
		if !p.onion() {
			return api.ByDirect
		}
	}
	if slices.ContainsFunc(in.Bypasses, func(b rules.Bypass) bool {
		return (len(b.MACs) == 0 || slices.Contains(b.MACs, d.MAC)) && names(b, p.Host)
	}) {
		return api.ByBypass
	}
	return api.ByTor
}

// names reports whether a bypass names a host.
func names(b rules.Bypass, host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return slices.ContainsFunc(b.Prefixes, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	return slices.ContainsFunc(b.Domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

func blocked(d api.Device) (verdict, action string) {
	return words(d) + " is blocked (policy block): nothing that it sends leaves the house", "tunic device " + orMAC(d) + " --policy tor"
}

func orMAC(d api.Device) string {
	if d.Name == "" {
		return d.MAC
	}
	return d.Name
}

// where names host and port for a person.
func (p page) where() string {
	if p.TLS && p.Port == 443 || !p.TLS && p.Port == 80 {
		return p.Host
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))
}
