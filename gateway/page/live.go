package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"tunic/gateway/api"
)

// live are the pieces of pages that pages ask for again and again.
func (s *Site) live(m *http.ServeMux) {
	m.HandleFunc("GET /live/tor", func(w http.ResponseWriter, r *http.Request) {
		if l, ok := beat[api.Live](s, w, r, "live"); ok {
			s.piece(w, r, "overview", "live.tor", overviewView{Tor: l.Tor})
		}
	})
	m.HandleFunc("GET /live/state", func(w http.ResponseWriter, r *http.Request) {
		if status, ok := beat[api.Status](s, w, r, "live/status"); ok {
			s.piece(w, r, "overview", "live.state", overviewOf(status))
		}
	})
	m.HandleFunc("GET /live/leaks", func(w http.ResponseWriter, r *http.Request) {
		if l, ok := beat[api.Leaks](s, w, r, "leaks"); ok {
			s.piece(w, r, "leaks", "live.leaks", l)
		}
	})
	m.HandleFunc("GET /live/rates", func(w http.ResponseWriter, r *http.Request) {
		if l, ok := beat[api.Live](s, w, r, "live"); ok {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(curvesOf(languageOf(r), l.Rates))
		}
	})
}

// beat asks for a verb of what is live, and answers if it cannot: 403 has a page loaded
// again, which leads to the log-in, or to what a member sees. Nothing else may have that
// answer: a page that is there again would be loaded again, without end.
func beat[A any](s *Site, w http.ResponseWriter, r *http.Request, verb string) (a A, ok bool) {
	a, p, err := ask[A](r.Context(), s.box, token(r, cookieName), verb, nil)
	switch {
	case p.Gone || p.Bar:
		http.Error(w, say(languageOf(r), "login.gone"), http.StatusForbidden)
	case err != nil || p != problemNone:
		s.unavailable(w, r)
	default:
		return a, true
	}
	return a, false
}

// piece writes a part of a room, for admins.
func (s *Site) piece(w http.ResponseWriter, r *http.Request, room, name string, show any) {
	me := api.Me{User: api.User{Role: "admin"}} // the verb was theirs
	v := view{Lang: languageOf(r), Page: room, Secure: true, Host: s.settings.Load().Host, Me: &me,
		Form: formWord(token(r, cookieName)), Data: roomView{Me: me, Show: show}}
	var b bytes.Buffer
	if err := templates()[room].ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

// curves are what is drawn: seconds of Unix, and bytes a second at each.
type curves struct {
	At   []float64 `json:"at"`
	Down []float64 `json:"down"`
	Up   []float64 `json:"up"`
	Text string    `json:"text"` // the last in words
}

func curvesOf(language string, list []api.Rate) curves {
	c := curves{At: []float64{}, Down: []float64{}, Up: []float64{}, Text: say(language, "live.waiting")}
	for _, r := range list {
		c.At = append(c.At, float64(r.At.UnixMilli())/1000)
		c.Down, c.Up = append(c.Down, r.Down), append(c.Up, r.Up)
	}
	if n := len(list); n > 0 {
		c.Text = say(language, "live.now", speed(language, list[n-1].Down), speed(language, list[n-1].Up))
	}
	return c
}

// speed is a rate as people say it.
func speed(language string, rate float64) string {
	text := fmt.Sprintf("%.0f kB/s", rate/1000)
	if rate >= 1_000_000 {
		text = fmt.Sprintf("%.1f MB/s", rate/1_000_000)
	}
	if language == "de" {
		text = strings.ReplaceAll(text, ".", ",")
	}
	return text
}

// phases are how far tor is when it has come to so many percent (tor's
// bootstrap, "control-spec", status/bootstrap-phase).
var phases = []int{0, 5, 15, 45, 75, 100}

// Phase is the key of how far tor is, in words.
func (view) Phase(t api.Tor) string {
	if !t.Running {
		return "tor.down"
	}
	last := 0
	for _, p := range phases {
		if t.Bootstrap >= p {
			last = p
		}
	}
	return fmt.Sprintf("tor.at.%d", last)
}
