package page

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/link"
)

// maxBody bounds what a form sends. The longest is an invitation.
const maxBody = 16 << 10

// policy is what a browser may do with a page (Content Security Policy, level 3).
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// scripted is the policy of the pages for whoever is logged in: scripts of ours in files of
// their own, which ask nobody but this box.
const scripted = policy + "; script-src 'self'; connect-src 'self'"

// guarded answers by its names alone, so that no page of somebody else's can have its
// own name lead here (rebinding), and nothing that is sent from elsewhere (CSRF).
func (s *Site) guarded(h http.Handler, named func(host string) bool) http.Handler {
	return guarded(h, func(host string) bool { return named(hostOf(host)) })
}

// guarded is the same for names with their port.
func guarded(h http.Handler, named func(host string) bool) http.Handler {
	elsewhere := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := w.Header().Set
		set("Content-Security-Policy", policy)
		set("X-Content-Type-Options", "nosniff")
		set("Referrer-Policy", "no-referrer")
		if r.TLS != nil { // without it browsers ignore this, and say so
			set("Cross-Origin-Opener-Policy", "same-origin")
		}
		set("Cross-Origin-Resource-Policy", "same-origin")
		set("Cache-Control", "no-store")
		if !named(r.Host) {
			http.Error(w, "This is not the page that was asked for.", http.StatusMisdirectedRequest)
			return
		}
		if err := elsewhere.Check(r); err != nil {
			http.Error(w, "This was sent by another page.", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		h.ServeHTTP(w, r)
	})
}

// hostOf is a Host without port and final dot, in lower case.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") { // without a port
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ownName reports whether a host is the box: its name, or an address, which no DNS
// can lead elsewhere.
func (s *Site) ownName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == s.settings.Load().Host && host != ""
}

// friendsName reports whether a host is a friend's own onion.
func (s *Site) friendsName(host string) bool {
	_, ok := s.friend(host)
	return ok
}

// friend is the one that a host means, by name, key or virtual address.
func (s *Site) friend(host string) (link.PageFriend, bool) {
	list := s.settings.Load().Friends
	addr, _ := netip.ParseAddr(host)
	i := slices.IndexFunc(list, func(f link.PageFriend) bool {
		return host == f.Name+config.PeerDomain || host == f.Key+config.PeerDomain || host == f.Key+".onion" ||
			slices.Contains(f.Addrs, addr)
	})
	if i < 0 {
		return link.PageFriend{}, false
	}
	return list[i], true
}
