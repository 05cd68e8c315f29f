package page

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"rsc.io/qr"

	"tunic/gateway/api"
)

// keeps are how long an old address may work beside the new one.
var keeps = map[string]time.Duration{"0": 0, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour, "90d": 90 * 24 * time.Hour}

// rotationOf gives an onion another address.
func rotationOf(f url.Values) (any, error) {
	keep, ok := keeps[f.Get("keep")]
	if !ok {
		return nil, errors.New("onions.rotate.keep.wrong")
	}
	return api.RotateRequest{Name: f.Get("name"), Keep: keep}, ticked(f)
}

// pictured is what a QR code of an onion may say: its address, or that of its pages.
var pictured = regexp.MustCompile(`^(https?://)?[a-z2-7]{56}\.onion$`)

// Code is the path of an onion's QR code; "" if it has none.
func (view) Code(o api.Onion) string {
	text := o.Address
	for _, p := range o.Ports {
		switch p.Port {
		case 80:
			text = "http://" + o.Address
		case 443:
			if text == o.Address {
				text = "https://" + o.Address
			}
		}
	}
	if !pictured.MatchString(text) {
		return ""
	}
	return "/qr?" + url.Values{"of": {text}}.Encode()
}

// code draws the QR code of an onion's address, for whoever is logged in.
func (s *Site) code(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.who(r); !ok {
		http.Error(w, say(languageOf(r), "login.gone"), http.StatusForbidden)
		return
	}
	text := r.URL.Query().Get("of")
	code, err := qr.Encode(text, qr.M)
	if err != nil || !pictured.MatchString(text) {
		http.NotFound(w, r)
		return
	}
	code.Scale = 4
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "private, max-age=86400")
	w.Write(code.PNG())
}
