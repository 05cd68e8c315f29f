// Package page is the box's own page for browsers of the household: templates, texts
// and what answers requests. Only the pages for whoever is logged in have scripts, for what
// is live; all works without them. Nothing is loaded from elsewhere.
//
// What it shows and does it asks of a Box; it decides nothing about who may do what.
package page

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"

	"tunic/gateway/link"
)

// Box answers what the page asks. Errors are for the log, not for people.
type Box interface {
	// Look is what everybody in the house may know. device is the caller's address.
	Look(ctx context.Context, device netip.Addr) (link.PageView, error)
	// Device stands for the device that has an address, where attempts are counted.
	Device(addr netip.Addr) string
	// LogIn checks what somebody shows, and Enrol the first code of an admin's.
	LogIn(ctx context.Context, q link.PageLogin) (link.PagePass, error)
	Enrol(ctx context.Context, q link.PageCode) (link.PagePass, error)
	// Act shows or does what the user may whose token it is.
	Act(ctx context.Context, q link.PageAct) (link.PageAnswer, error)
}

// Site is the page. Its handlers are for any number of goroutines.
type Site struct {
	box      Box
	settings atomic.Pointer[link.Page]
}

// New returns the page of a box, for which Set says what there is.
func New(box Box) *Site {
	s := &Site{box: box}
	s.settings.Store(&link.Page{})
	return s
}

// Set says what there is on the box. It holds for requests that come later.
func (s *Site) Set(p link.Page) { s.settings.Store(&p) }

// Plain answers plain HTTP at the box's names and addresses.
func (s *Site) Plain() http.Handler {
	m := http.NewServeMux()
	s.public(m)
	m.HandleFunc("GET /{$}", s.front)
	m.HandleFunc("GET /login", s.loginForm) // which says where it is
	for name := range rooms {
		m.HandleFunc("GET /"+name, s.loginForm)
	}
	return s.guarded(m, s.ownName)
}

// Secure answers HTTP over TLS there.
func (s *Site) Secure() http.Handler {
	m := http.NewServeMux()
	s.public(m)
	m.HandleFunc("GET /{$}", s.home)
	m.HandleFunc("GET /login", s.loginForm)
	m.HandleFunc("POST /login", s.logIn)
	m.HandleFunc("POST /enrol", s.enrol)
	m.HandleFunc("POST /logout", s.logOut)
	m.HandleFunc("POST /do/{verb...}", s.act)
	m.HandleFunc("POST /do/settings/plan", s.planSettings)
	for name := range rooms {
		m.HandleFunc("GET /"+name, s.enterRoom(name))
	}
	s.live(m)
	m.HandleFunc("GET /qr", s.code)
	for _, a := range assets() {
		m.Handle("GET "+a.path, a)
	}
	return s.guarded(m, s.ownName)
}

// Shares answers plain HTTP at friends' bare names.
func (s *Site) Shares() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /style.css", style)
	m.HandleFunc("GET /{$}", s.shares)
	return s.guarded(m, s.friendsName)
}

// public are the pages for everybody in the house.
func (s *Site) public(m *http.ServeMux) {
	m.HandleFunc("GET /style.css", style)
	m.HandleFunc("GET /ca.crt", s.certificate)
	m.HandleFunc("GET /certificate", s.aboutCertificate)
	m.HandleFunc("GET /language/{name}", setLanguage)
}
