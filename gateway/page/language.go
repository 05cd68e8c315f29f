package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// textFiles have the texts of one language each, by their keys.
//
//go:embed texts/*.json
var textFiles embed.FS

// languages are all there are, the first is for whoever speaks none of them.
var languages = []string{"en", "de"}

var texts = sync.OnceValue(readTexts)

func readTexts() map[string]map[string]string {
	all := make(map[string]map[string]string)
	for _, name := range languages {
		text, err := textFiles.ReadFile("texts/" + name + ".json")
		var list map[string]string
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			panic(fmt.Sprintf("the texts in %s: %v", name, err)) // they are of one piece with the program
		}
		all[name] = list
	}
	return all
}

// say is the text of a key, with args as in fmt.
func say(language, key string, args ...any) string {
	text, ok := texts()[language][key]
	switch {
	case !ok:
		return key
	case len(args) > 0:
		return fmt.Sprintf(text, args...)
	}
	return text
}

const languageCookie = "language"

// setLanguage remembers which language somebody wants.
func setLanguage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !slices.Contains(languages, name) {
		http.NotFound(w, r)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: name, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// languageOf is the language of an answer: the one that was chosen, else the first of
// ours that the browser names (RFC 9110, section 12.5.4; weights are in order by custom).
func languageOf(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil && slices.Contains(languages, c.Value) {
		return c.Value
	}
	for word := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		word, _, _ = strings.Cut(word, ";")
		word, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(word)), "-")
		if slices.Contains(languages, word) {
			return word
		}
	}
	return languages[0]
}
