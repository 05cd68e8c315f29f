package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/feature"
	"tunic/gateway/setup"
)

// SetupBox is the box that a page sets up. Its errors are shown to whoever has the code.
type SetupBox interface {
	// Next is as setup.Next.
	Next(ctx context.Context, given []string) (setup.Question, setup.Answers, error)
	// Entered is called once, when somebody has typed the code.
	Entered(from netip.Addr)
	// Link is as setup.Box.Link.
	Link(name string) (l feature.Link, wireless bool)
	// Plan says what answers change. Nothing is changed by it.
	Plan(ctx context.Context, a setup.Answers) (SetupPlan, error)
	// Agreed begins with what was shown last, and Decided ends the wait for the
	// confirmation. Both return at once; Say tells the page how it goes on.
	Agreed(a setup.Answers)
	Decided(keep bool)
}

// SetupPlan is what setup would do.
type SetupPlan struct {
	Packages []string // of Debian, to be installed
	Notes    []string // what leads past the box
	Steps    []string
	Detail   []string // rules
}

// SetupPhase is how far a setup is.
type SetupPhase string

// The phases in their order; one of the last three is the end.
const (
	SetupAsks      SetupPhase = "asks"
	SetupWorks     SetupPhase = "works"
	SetupWaits     SetupPhase = "waits" // for the confirmation
	SetupKept      SetupPhase = "kept"
	SetupTakenBack SetupPhase = "back"
	SetupShut      SetupPhase = "shut" // too many wrong codes
)

// SetupStatus is what the page shows once nothing is asked any more.
type SetupStatus struct {
	Phase SetupPhase
	Until time.Time // of SetupWaits
	Error string    // of SetupTakenBack, in words for the owner
}

// MaxSetupCodes is how many wrong codes end a setup.
const MaxSetupCodes = 10

const setupCookie = "tunic-setup"

// Setup is the page for a box that nobody has set up yet, on plain HTTP and for one
// browser: the one that knows the code. Its methods are for any number of goroutines.
type Setup struct {
	box    SetupBox
	doors  []netip.AddrPort
	word   string // in the form for the code, which nobody has logged in for
	shut   chan struct{}
	seen   chan struct{}
	bounds bounds

	mu      sync.Mutex
	code    string // "" once it is used
	session string // of the browser that has used it
	wrong   int
	given   []string
	answers setup.Answers // that the plan is of, once it was shown
	shown   bool
	status  SetupStatus
}

// NewSetup returns the page of a setup. Browsers reach it at doors and by no other name.
func NewSetup(box SetupBox, code string, doors []netip.AddrPort) *Setup {
	return &Setup{box: box, doors: doors, word: rand.Text(), code: plainCode(code), shut: make(chan struct{}),
		seen: make(chan struct{}), bounds: setupBounds, status: SetupStatus{Phase: SetupAsks}}
}

// NewSetupCode is a code that people can type: 40 random bits, "K7QX-M2PA".
func NewSetupCode() string {
	text := rand.Text()
	return text[:4] + "-" + text[4:8]
}

// plainCode is a code as it is compared, however it was typed.
func plainCode(typed string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, typed))
}

// Say is called with how the setup goes on.
func (s *Setup) Say(status SetupStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Shut is closed after too many wrong codes.
func (s *Setup) Shut() <-chan struct{} { return s.shut }

// Seen is closed when the browser that has set the box up has got how it ended.
func (s *Setup) Seen() <-chan struct{} { return s.seen }

// InUse reports whether somebody has typed the code.
func (s *Setup) InUse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session != ""
}

// Handler answers plain HTTP at the doors.
func (s *Setup) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /style.css", style)
	m.HandleFunc("GET /language/{name}", setLanguage)
	m.HandleFunc("GET /{$}", s.show)
	m.HandleFunc("POST /code", s.enter)
	m.HandleFunc("POST /answer", s.inside(s.answer))
	m.HandleFunc("POST /again", s.inside(s.again))
	m.HandleFunc("POST /apply", s.inside(s.apply))
	m.HandleFunc("POST /decide", s.inside(s.decide))
	return guarded(m, s.named)
}

// named reports whether a Host is one of the doors: no name leads here, so none can be
// made to (rebinding).
func (s *Setup) named(host string) bool {
	at, err := netip.ParseAddrPort(host)
	return err == nil && slices.Contains(s.doors, at)
}

// setupView is what the template sees.
type setupView struct {
	Status  SetupStatus
	Problem string // the key of a text
	Error   string
	Ask     *setup.Question
	Links   []setupLink // of the question's options
	Plan    *SetupPlan
	Answers setup.Answers
	Door    string // where the box's own page is later
}

// Has reports whether a list has a word.
func (setupView) Has(list []string, word string) bool { return slices.Contains(list, word) }

type setupLink struct {
	feature.Link
	Wireless bool
}

// Words are the interface's addresses.
func (l setupLink) Words() string {
	var list []string
	for _, p := range l.Addresses {
		list = append(list, p.String())
	}
	return strings.Join(list, ", ")
}

// render writes the page; form is what its forms have in them.
func (s *Setup) render(w http.ResponseWriter, r *http.Request, status int, form string, data setupView) {
	if form != s.word && (data.Status.Phase == SetupWorks || data.Status.Phase == SetupWaits) {
		w.Header().Set("Refresh", "4; url=/") // also where somebody confirms it elsewhere
	}
	write(w, status, view{Lang: languageOf(r), Page: "setup", Languages: languages, Form: form, Data: data})
}

// show is the page as it is now.
func (s *Setup) show(w http.ResponseWriter, r *http.Request) { s.showWith(w, r, http.StatusOK, "", "") }

func (s *Setup) showWith(w http.ResponseWriter, r *http.Request, code int, problem, text string) {
	s.mu.Lock()
	ours, status, given := s.knows(r), s.status, slices.Clone(s.given)
	locked := s.session == ""
	s.mu.Unlock()
	v := setupView{Status: status, Problem: problem, Error: text}
	if !ours {
		if !locked && v.Problem == "" {
			v.Problem = "setup.used"
		}
		if status.Phase != SetupShut {
			v.Status = SetupStatus{} // nobody else's
		}
		s.render(w, r, code, s.word, v)
		return
	}
	if status.Phase == SetupAsks {
		s.ask(r.Context(), given, &v)
	}
	if at, err := netip.ParseAddrPort(r.Host); err == nil {
		v.Door = strings.TrimSuffix(netip.AddrPortFrom(at.Addr(), 80).String(), ":80")
	}
	s.render(w, r, code, formWord(token(r, setupCookie)), v)
	if status.Phase == SetupKept || status.Phase == SetupTakenBack {
		s.mu.Lock()
		defer s.mu.Unlock()
		closeOnce(s.seen)
	}
}

// closeOnce closes a channel that may be closed. s.mu is held.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// ask puts the next question, or else the plan, into a view.
func (s *Setup) ask(ctx context.Context, given []string, v *setupView) {
	q, answers, err := s.box.Next(ctx, given)
	if err != nil {
		v.Error = err.Error()
		return
	}
	if q.Topic != "" {
		v.Ask = &q
		for _, name := range q.Options {
			l, wireless := s.box.Link(name)
			v.Links = append(v.Links, setupLink{l, wireless})
		}
		return
	}
	p, err := s.box.Plan(ctx, answers)
	if err != nil {
		v.Error = err.Error()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers, s.shown = answers, slices.Equal(given, s.given)
	v.Plan, v.Answers = &p, answers
}

// knows reports whether a request is of the browser that knew the code. s.mu is held.
func (s *Setup) knows(r *http.Request) bool {
	return s.session != "" && subtle.ConstantTimeCompare([]byte(token(r, setupCookie)), []byte(s.session)) == 1
}

// enter takes the code. It is good for one browser.
func (s *Setup) enter(w http.ResponseWriter, r *http.Request) {
	if !read(w, r) {
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(s.word)) != 1 {
		http.Error(w, "This form was not made by this page.", http.StatusForbidden)
		return
	}
	switch session, problem := s.tryCode(plainCode(r.PostFormValue("code"))); {
	case problem != "":
		s.showWith(w, r, http.StatusForbidden, problem, "")
	default:
		s.box.Entered(caller(r))
		http.SetCookie(w, &http.Cookie{Name: setupCookie, Value: session, Path: "/", HttpOnly: true,
			SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// tryCode returns a session, or the key of the text that says why there is none.
func (s *Setup) tryCode(typed string) (session, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.status.Phase == SetupShut:
		return "", "setup.shut"
	case s.session != "":
		return "", "setup.used"
	case subtle.ConstantTimeCompare([]byte(typed), []byte(s.code)) == 1:
		s.session, s.code = rand.Text(), ""
		return s.session, ""
	}
	if s.wrong++; s.wrong >= MaxSetupCodes {
		s.status, s.code = SetupStatus{Phase: SetupShut}, ""
		closeOnce(s.shut)
		return "", "setup.shut"
	}
	return "", "setup.wrong"
}

// inside is for forms of the browser that knew the code.
func (s *Setup) inside(do func(http.ResponseWriter, *http.Request) (problem string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !read(w, r) {
			return
		}
		s.mu.Lock()
		ours := s.knows(r)
		s.mu.Unlock()
		if !ours || !formIsOurs(r, token(r, setupCookie)) {
			http.Error(w, "This form was not made by this page.", http.StatusForbidden)
			return
		}
		switch problem, err := do(w, r); {
		case err != nil:
			s.showWith(w, r, http.StatusConflict, "", err.Error())
		case problem != "":
			s.showWith(w, r, http.StatusConflict, problem, "")
		default:
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	}
}

// late is for a form of a page that is not shown any more.
const late = "setup.late"

// answer takes the answer to one question, which the form names by its number.
func (s *Setup) answer(_ http.ResponseWriter, r *http.Request) (problem string, err error) {
	s.mu.Lock()
	given, phase := slices.Clone(s.given), s.status.Phase
	s.mu.Unlock()
	q, _, err := s.box.Next(r.Context(), given)
	if err != nil {
		return "", err
	}
	if phase != SetupAsks || q.Topic == "" || r.PostFormValue("topic") != string(q.Topic) {
		return late, nil
	}
	word, ok := answerOf(q, r.PostForm["answer"])
	if !ok {
		return "setup.bad." + string(q.Topic), nil
	}
	_, _, err = s.box.Next(r.Context(), append(slices.Clone(given), word))
	switch {
	case errors.Is(err, setup.ErrAnswer):
		return "setup.bad." + string(q.Topic), nil
	case err != nil:
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(given, s.given) || s.status.Phase != SetupAsks {
		return late, nil
	}
	s.given, s.shown = append(s.given, word), false
	return "", nil
}

// answerOf is what a form says in the words that a terminal takes; ok is false for
// what the page did not offer.
func answerOf(q setup.Question, typed []string) (word string, ok bool) {
	if q.Options == nil {
		typed = strings.Fields(strings.Join(typed, " "))
	}
	for _, t := range typed {
		if q.Options != nil && !slices.Contains(q.Options, t) {
			return "", false
		}
	}
	many := q.Topic == setup.AskHousehold || q.Topic == setup.AskOthers
	if len(typed) == 0 {
		return "none", many || q.Options == nil
	}
	return strings.Join(typed, " "), many || len(typed) == 1
}

// again begins with the first question.
func (s *Setup) again(http.ResponseWriter, *http.Request) (problem string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Phase != SetupAsks {
		return late, nil
	}
	s.given, s.shown = nil, false
	return "", nil
}

// apply begins with the plan that was shown.
func (s *Setup) apply(http.ResponseWriter, *http.Request) (problem string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Phase != SetupAsks || !s.shown {
		return late, nil
	}
	s.status.Phase = SetupWorks
	s.box.Agreed(s.answers)
	return "", nil
}

// decide keeps the setup or takes it back.
func (s *Setup) decide(_ http.ResponseWriter, r *http.Request) (problem string, err error) {
	keep := r.PostFormValue("decision") == "keep"
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Phase != SetupWaits || !keep && r.PostFormValue("decision") != "back" {
		return late, nil
	}
	s.status.Phase = SetupWorks
	s.box.Decided(keep)
	return "", nil
}
