package page

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"tunic/gateway/config"
)

// caller is the address of whoever asks.
func caller(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap()
}

// front is the page for whoever is not logged in.
func (s *Site) front(w http.ResponseWriter, r *http.Request) {
	v, err := s.box.Look(r.Context(), caller(r))
	if err != nil {
		s.unavailable(w, r)
		return
	}
	s.render(w, r, http.StatusOK, "front", v)
}

// unavailable says that the box does not answer now, as while it starts.
func (s *Site) unavailable(w http.ResponseWriter, r *http.Request) {
	http.Error(w, say(languageOf(r), "unavailable"), http.StatusServiceUnavailable)
}

// aboutCertificate says how to install the house's certificate.
func (s *Site) aboutCertificate(w http.ResponseWriter, r *http.Request) {
	p := s.settings.Load()
	s.render(w, r, http.StatusOK, "certificate", certificateView{CA: p.CA != "", Fingerprint: fingerprint(p.CA),
		Mail: p.Mail, Host: p.Host})
}

type certificateView struct {
	CA          bool // there is one
	Fingerprint string
	Mail        bool
	Host        string
}

// fingerprint is the SHA-256 of a certificate as devices show it, and `tunic ca`.
func fingerprint(certificate string) string {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(block.Bytes)), " ", ":")
}

// certificate is the house's own, for devices to install.
func (s *Site) certificate(w http.ResponseWriter, r *http.Request) {
	pem := s.settings.Load().CA
	if pem == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Write([]byte(pem))
}

// sharesView is what a friend shares.
type sharesView struct {
	Name  string
	Links []string // "photos.alice.peer.home.arpa"
}

// shares is the page at a friend's bare name.
func (s *Site) shares(w http.ResponseWriter, r *http.Request) {
	f, _ := s.friend(hostOf(r.Host)) // guarded has found it
	v := sharesView{Name: f.Name}
	for _, share := range f.Shares {
		v.Links = append(v.Links, share+"."+f.Name+config.PeerDomain)
	}
	s.render(w, r, http.StatusOK, "shares", v)
}
