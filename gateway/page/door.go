package page

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"net/http"

	"rsc.io/qr"

	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/session"
)

// The cookies of a log-in, and of an admin who has to enrol. A browser keeps one with
// this prefix only if it is for this host alone, and came over TLS
// (RFC 6265bis, section 4.1.3.2).
const (
	cookieName = "__Host-session"
	enrolName  = "__Host-enrol"
)

// token is what a browser shows, "" if nothing.
func token(r *http.Request, name string) string {
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

func setToken(w http.ResponseWriter, name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// formWord is what the forms of a log-in have in them, so that no other page can send
// them, whatever the browser says of where it comes from.
func formWord(token string) string {
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("form"))
	return hex.EncodeToString(h.Sum(nil))
}

// formIsOurs reports whether a form was made for whoever sends it.
func formIsOurs(r *http.Request, token string) bool {
	return token != "" && subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(formWord(token))) == 1
}

// read reads a form, and answers if it cannot.
func read(w http.ResponseWriter, r *http.Request) bool {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "This form is too long, or not complete.", http.StatusBadRequest)
		return false
	}
	return true
}

// loginView is the form to log in.
type loginView struct {
	Name    string
	Problem string // the key of a text
}

// loginForm is the form, or on plain HTTP the way there.
func (s *Site) loginForm(w http.ResponseWriter, r *http.Request) {
	if r.TLS != nil && token(r, cookieName) != "" {
		if _, ok := s.who(r); ok {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
	}
	s.render(w, r, http.StatusOK, "login", loginView{})
}

// logIn lets somebody in.
func (s *Site) logIn(w http.ResponseWriter, r *http.Request) {
	if !read(w, r) {
		return
	}
	q := link.PageLogin{Device: s.box.Device(caller(r)), Name: r.PostFormValue("name"), Password: r.PostFormValue("password"),
		Code: digits(r.PostFormValue("code"))}
	pass, err := s.box.LogIn(r.Context(), q)
	switch {
	case err != nil:
		s.unavailable(w, r)
	case pass.Refused != "":
		s.render(w, r, http.StatusForbidden, "login", loginView{q.Name, "login." + string(pass.Refused)})
	case pass.Secret != "":
		setToken(w, enrolName, pass.Token)
		s.enrolForm(w, r, http.StatusOK, pass, "")
	default:
		setToken(w, cookieName, pass.Token)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// digits is a code without the spaces that programs show in it.
func digits(text string) string {
	var b []byte
	for i := range len(text) {
		if text[i] != ' ' {
			b = append(b, text[i])
		}
	}
	return string(b)
}

// enrolView is what an admin needs who has no second factor yet.
type enrolView struct {
	Secret, URI string
	QR          template.URL
	Form        string
	Problem     string // the key of a text
}

func (s *Site) enrolForm(w http.ResponseWriter, r *http.Request, status int, pass link.PagePass, problem string) {
	uri := session.URI(pass.User, pass.Secret)
	s.render(w, r, status, "enrol", enrolView{pass.Secret, uri, picture(uri), formWord(pass.Token), problem})
}

// enrol takes an admin's first code.
func (s *Site) enrol(w http.ResponseWriter, r *http.Request) {
	if !read(w, r) {
		return
	}
	enrolling := token(r, enrolName)
	if !formIsOurs(r, enrolling) {
		s.expired(w, r)
		return
	}
	pass, err := s.box.Enrol(r.Context(), link.PageCode{Device: s.box.Device(caller(r)), Token: enrolling,
		Code: digits(r.PostFormValue("code"))})
	switch {
	case err != nil:
		s.unavailable(w, r)
	case pass.Refused == link.PageWrong && pass.Secret != "":
		s.enrolForm(w, r, http.StatusForbidden, pass, "enrol.wrong")
	case pass.Refused != "":
		setToken(w, enrolName, "")
		s.render(w, r, http.StatusForbidden, "login", loginView{Problem: "login." + string(pass.Refused)})
	default:
		setToken(w, enrolName, "")
		setToken(w, cookieName, pass.Token)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// logOut ends a log-in.
func (s *Site) logOut(w http.ResponseWriter, r *http.Request) {
	if !read(w, r) {
		return
	}
	if t := token(r, cookieName); formIsOurs(r, t) {
		if _, err := s.box.Act(r.Context(), link.PageAct{Token: t, Verb: "logout"}); err != nil {
			s.unavailable(w, r)
			return
		}
	}
	setToken(w, cookieName, "")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// expired sends whoever is not logged in any more to the form.
func (s *Site) expired(w http.ResponseWriter, r *http.Request) {
	setToken(w, cookieName, "")
	s.render(w, r, http.StatusForbidden, "login", loginView{Problem: "login.gone"})
}

// picture is a QR code as an image within the page.
func picture(text string) template.URL {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "" // too long for one; the text stands beside it
	}
	code.Scale = 4
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()))
}

// who is whoever shows a token that is good.
func (s *Site) who(r *http.Request) (api.Me, bool) {
	t := token(r, cookieName)
	if t == "" || r.TLS == nil {
		return api.Me{}, false
	}
	m, problem, err := ask[api.Me](r.Context(), s.box, t, "me", nil)
	return m, err == nil && problem == problemNone
}

// problem is why a verb was not done.
type problem struct {
	Gone        bool // the log-in is over
	Bar         bool // it is for another role
	Error, Hint string
}

var problemNone problem

// ask asks for a verb in somebody's name.
func ask[A any](ctx context.Context, box Box, token, verb string, question any) (answer A, p problem, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer, p, err
	}
	a, err := box.Act(ctx, link.PageAct{Token: token, Verb: verb, Body: body})
	if err != nil || a.Gone || a.Error != "" {
		return answer, problem{a.Gone, a.Bar, a.Error, a.Hint}, err
	}
	return answer, p, json.Unmarshal(a.Body, &answer)
}
