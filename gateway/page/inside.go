package page

import (
	"context"
	"errors"
	"html/template"
	"net/http"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
)

// visit is a request of somebody who is logged in.
type visit struct {
	ctx   context.Context
	box   Box
	token string
	me    api.Me
}

// errGone says that a log-in is over.
var errGone = errors.New("the log-in is over")

// look asks for what a page shows.
func look[A any](v visit, verb string) (A, error) {
	a, p, err := ask[A](v.ctx, v.box, v.token, verb, nil)
	switch {
	case err != nil:
	case p.Gone:
		err = errGone
	case p.Error != "":
		err = errors.New(p.Error)
	}
	return a, err
}

// room is a page for whoever is logged in.
type room struct {
	admins bool
	show   func(v visit) (any, error) // what its template needs
}

// rooms are all, by the names of their templates.
var rooms = map[string]room{
	"overview": {show: showOverview},
	"me":       {show: func(v visit) (any, error) { return v.me, nil }},
	"friends":  {show: showFriends},
	"devices":  {admins: true, show: showDevices},
	"onions":   {admins: true, show: func(v visit) (any, error) { return look[api.Published](v, "onions") }},
	"mail":     {admins: true, show: showMail},
	"people":   {admins: true, show: func(v visit) (any, error) { return look[[]api.User](v, "users") }},
	"settings": {admins: true, show: showSettings},
	"report":   {admins: true, show: func(v visit) (any, error) { return look[api.Reported](v, "report") }},
	"leaks":    {admins: true, show: func(v visit) (any, error) { return look[api.Leaks](v, "leaks") }},
}

// outcome is what a room says of what was just done.
type outcome struct {
	Done       string // the key of a text
	Error      string
	Hint       string
	Invitation *api.Invitation // which is shown once
	QR         template.URL    // of its word
	Why        []api.Why       // of a device's connections
}

// roomView is what the template of a room sees.
type roomView struct {
	Me      api.Me
	Form    string
	Outcome outcome
	Show    any
}

// home is the first page: the overview for whoever is logged in.
func (s *Site) home(w http.ResponseWriter, r *http.Request) {
	if token(r, cookieName) == "" {
		s.front(w, r)
		return
	}
	if _, ok := s.who(r); !ok {
		setToken(w, cookieName, "")
		s.front(w, r)
		return
	}
	s.enter(w, r, "overview", http.StatusOK, outcome{})
}

// enterRoom shows a room.
func (s *Site) enterRoom(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o outcome
		if key := r.URL.Query().Get("done"); actions[key].room == name {
			o.Done = "done." + key
		}
		s.enter(w, r, name, http.StatusOK, o)
	}
}

func (s *Site) enter(w http.ResponseWriter, r *http.Request, name string, status int, o outcome) {
	s.enterWith(w, r, name, status, o, rooms[name].show)
}

// enterWith shows a room as show has it.
func (s *Site) enterWith(w http.ResponseWriter, r *http.Request, name string, status int, o outcome, show func(visit) (any, error)) {
	m, ok := s.who(r)
	if !ok {
		s.expired(w, r)
		return
	}
	if rooms[name].admins && !m.Admin() {
		http.Error(w, say(languageOf(r), "admins"), http.StatusForbidden)
		return
	}
	t := token(r, cookieName)
	shown, err := show(visit{r.Context(), s.box, t, m})
	switch {
	case errors.Is(err, errGone):
		s.expired(w, r)
	case err != nil:
		s.unavailable(w, r)
	default:
		s.render(w, r, status, name, roomView{m, formWord(t), o, shown})
	}
}

// overviewView is the state of the box; Findings are for admins.
type overviewView struct {
	api.Fridge
	Tor      api.Tor
	Findings []health.Finding
}

func overviewOf(s api.Status) overviewView {
	return overviewView{Fridge: s.Fridge(), Tor: s.Tor, Findings: s.Findings}
}

func showOverview(v visit) (any, error) {
	if !v.me.Admin() {
		f, err := look[api.Fridge](v, "state")
		return overviewView{Fridge: f}, err
	}
	status, err := look[api.Status](v, "status")
	return overviewOf(status), err
}

func showFriends(v visit) (any, error) {
	if v.me.Admin() {
		return look[[]api.Peer](v, "peers")
	}
	return look[[]api.Peer](v, "friends")
}

// devicesView are the devices with what can be chosen for them.
type devicesView struct {
	Devices  []api.Device
	Policies []config.Policy
}

func showDevices(v visit) (any, error) {
	list, err := look[[]api.Device](v, "devices")
	return devicesView{list, []config.Policy{config.PolicyTor, config.PolicyDirect, config.PolicyOnion, config.PolicyBlock}}, err
}
