package page

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tunic/gateway/api"
)

// action is what a form does: the verb that it asks for, in which room it stands, and
// how its fields make the question.
type action struct {
	room string
	make func(f url.Values) (any, error)
	// tell has the answer shown in the room, and nowhere else; nil: the room says that it is done.
	tell func(answer json.RawMessage, o *outcome) error
}

// actions are all, by their verbs.
var actions = map[string]action{
	"device":       {room: "devices", make: deviceOf},
	"why":          {room: "devices", make: whyOf, tell: tellWhy},
	"publish":      {room: "onions", make: publicationOf},
	"unpublish":    {room: "onions", make: func(f url.Values) (any, error) { return api.UnpublishRequest{Name: f.Get("name")}, nil }},
	"rotate":       {room: "onions", make: rotationOf},
	"grant":        {room: "onions", make: grantOf},
	"revoke":       {room: "onions", make: revocationOf},
	"phone/remove": {room: "onions", make: phoneOf},
	"invite":       {room: "friends", make: invitationOf, tell: tellInvitation},
	"accept":       {room: "friends", make: acceptanceOf},
	"confirm":      {room: "friends", make: peerOf},
	"forget":       {room: "friends", make: peerOf},
	"mail/flush":   {room: "mail", make: flushOf},
	"mail/drop":    {room: "mail", make: dropOf},
	"user/add":     {room: "people", make: userOf},
	"user/remove":  {room: "people", make: func(f url.Values) (any, error) { return api.UserRequest{Name: f.Get("name")}, nil }},

	"settings/apply":   {room: "settings", make: appliedSettings},
	"settings/confirm": {room: "settings", make: nothing},
	"settings/back":    {room: "settings", make: nothing},
}

// phoneOf names a phone that is shut out for good.
func phoneOf(f url.Values) (any, error) { return api.PhoneName{Name: f.Get("name")}, ticked(f) }

func nothing(url.Values) (any, error) { return struct{}{}, nil }

// errTick is for what cannot be undone by another form.
var errTick = errors.New("confirm.missing")

// ticked wants the box beside the button.
func ticked(f url.Values) error {
	if f.Get("sure") == "" {
		return errTick
	}
	return nil
}

// deviceOf is a policy for good or, from a list of times, for a while; or the end of
// one for a while.
func deviceOf(f url.Values) (any, error) {
	if f.Get("end") != "" {
		return api.DeviceRequest{Device: f.Get("device"), End: true}, nil
	}
	r := api.DeviceRequest{Device: f.Get("device"), Policy: f.Get("policy")}
	if text := f.Get("for"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d > 31*24*time.Hour {
			return nil, errors.New("device.for.wrong")
		}
		r.For = d
	}
	if mac := f.Get("mac"); mac != "" && r.For == 0 {
		r.MAC = mac
	}
	return r, nil
}

func publicationOf(f url.Values) (any, error) {
	r := api.PublishRequest{Name: strings.TrimSpace(f.Get("name")), As: f.Get("as"), Private: f.Get("private") != ""}
	r.Ports = strings.Fields(f.Get("target"))
	r.Clients = strings.Fields(f.Get("clients"))
	return r, nil
}

func grantOf(f url.Values) (any, error) {
	return api.GrantRequest{Onion: f.Get("onion"), Client: strings.TrimSpace(f.Get("client"))}, nil
}

func revocationOf(f url.Values) (any, error) {
	return api.RevokeRequest{Onion: f.Get("onion"), Client: f.Get("client")}, nil
}

func invitationOf(f url.Values) (any, error) {
	return api.InviteRequest{Name: strings.TrimSpace(f.Get("name"))}, nil
}

func tellInvitation(answer json.RawMessage, o *outcome) error {
	o.Invitation = new(api.Invitation)
	err := json.Unmarshal(answer, o.Invitation)
	o.QR = picture(o.Invitation.Word)
	return err
}

func acceptanceOf(f url.Values) (any, error) {
	return api.AcceptRequest{Word: strings.Join(strings.Fields(f.Get("word")), ""), As: strings.TrimSpace(f.Get("as"))}, nil
}

func peerOf(f url.Values) (any, error) { return api.PeerRequest{Name: f.Get("name")}, ticked(f) }

func userOf(f url.Values) (any, error) {
	return api.UserRequest{Name: strings.TrimSpace(f.Get("name")), Role: f.Get("role"), Password: f.Get("password")}, nil
}

// act does what a form asks for, and shows the room again.
func (s *Site) act(w http.ResponseWriter, r *http.Request) {
	a, ok := actions[r.PathValue("verb")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if !s.readOurs(w, r) {
		return
	}
	question, err := a.make(r.PostForm)
	if err != nil {
		s.enter(w, r, a.room, http.StatusBadRequest, outcome{Error: say(languageOf(r), err.Error())})
		return
	}
	s.do(w, r, a, question)
}

// readOurs reads a form of somebody's who is logged in, and answers if it is none.
func (s *Site) readOurs(w http.ResponseWriter, r *http.Request) bool {
	if !read(w, r) {
		return false
	}
	if !formIsOurs(r, token(r, cookieName)) {
		s.expired(w, r)
		return false
	}
	return true
}

// do asks for a verb.
func (s *Site) do(w http.ResponseWriter, r *http.Request, a action, question any) {
	verb := r.PathValue("verb")
	answer, p, err := ask[json.RawMessage](r.Context(), s.box, token(r, cookieName), verb, question)
	var o outcome
	if err == nil && a.tell != nil && p == problemNone {
		err = a.tell(answer, &o)
	}
	switch {
	case p.Gone:
		s.expired(w, r)
	case p.Error != "":
		s.enter(w, r, a.room, http.StatusConflict, outcome{Error: p.Error, Hint: p.Hint})
	case err != nil:
		s.unavailable(w, r)
	case a.tell != nil:
		s.enter(w, r, a.room, http.StatusOK, o)
	default:
		http.Redirect(w, r, "/"+a.room+"?"+url.Values{"done": {verb}}.Encode(), http.StatusSeeOther)
	}
}
