package page

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"tunic/gateway/api"
)

//go:embed templates
var templateFiles embed.FS

//go:embed style.css
var styleText []byte

// templates are the pages by name, each within the frame that all have. A box that shows
// nobody a page has none in memory.
var templates = sync.OnceValue(func() map[string]*template.Template {
	return parseTemplates("front", "certificate", "shares", "login", "enrol", "overview", "me", "friends", "devices", "onions",
		"people", "mail", "settings", "leaks", "report", "setup")
})

func parseTemplates(names ...string) map[string]*template.Template {
	all := make(map[string]*template.Template)
	for _, name := range names {
		all[name] = template.Must(template.ParseFS(templateFiles, "templates/frame.html", "templates/parts.html",
			"templates/live.html", "templates/"+name+".html"))
	}
	return all
}

// view is what a template sees.
type view struct {
	Lang      string
	Page      string // the name of the template
	Languages []string
	Secure    bool
	Host      string  // the box's
	Me        *api.Me // who is logged in; nil: nobody
	Form      string  // what their forms have in them
	Data      any
}

// T is the text of a key.
func (v view) T(key string, args ...any) string { return say(v.Lang, key, args...) }

// In is the text of a key in another language.
func (v view) In(language, key string) string { return say(language, key) }

// Rooms are those of whoever is logged in, in their order.
func (v view) Rooms() []string {
	if v.Me.Admin() {
		return []string{"overview", "devices", "onions", "friends", "people", "mail", "settings", "leaks", "report", "me"}
	}
	return []string{"overview", "friends", "me"}
}

// QR is a text as a picture.
func (view) QR(text string) template.URL { return picture(text) }

// At is Clock of a moment that there always is.
func (v view) At(t time.Time) string { return v.Clock(&t) }

// Clock is a moment as people say it, with the day if it is not today's.
func (v view) Clock(t *time.Time) string {
	if t == nil {
		return ""
	}
	local := t.Local()
	if local.Format(time.DateOnly) == time.Now().Format(time.DateOnly) {
		return local.Format("15:04")
	}
	return local.Format("2006-01-02 15:04")
}

// Join is a list in one line.
func (view) Join(list []string) string { return strings.Join(list, ", ") }

// Second is a moment of today to the second.
func (view) Second(t time.Time) string { return t.Local().Format("15:04:05") }

// render writes a page.
func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	v := view{Lang: languageOf(r), Page: name, Languages: languages, Secure: r.TLS != nil, Host: s.settings.Load().Host, Data: data}
	if room, ok := data.(roomView); ok {
		v.Me, v.Form = &room.Me, room.Form
		w.Header().Set("Content-Security-Policy", scripted)
	}
	write(w, status, v)
}

// write writes the page that a view is of.
func write(w http.ResponseWriter, status int, v view) {
	var b bytes.Buffer
	if err := templates()[v.Page].ExecuteTemplate(&b, "frame.html", v); err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Write(styleText)
}
