package page

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tunic/gateway/api"
)

// settingsView is the form with what is in force, or with what somebody has typed.
type settingsView struct {
	Now     api.Settings
	Form    api.SettingsRequest
	New     api.SettingsBypass // that was typed and is not in the list yet
	Plan    *api.SettingsPlan
	Request string // what Plan is of, to be applied
	Metrics []string
}

// Has reports whether a list has a name.
func (settingsView) Has(list []string, name string) bool { return slices.Contains(list, name) }

// Line is a list as people write it, one a line.
func (settingsView) Lines(list []string) string { return strings.Join(list, "\n") }

// Bypass is a destination and its devices in one word of a form.
func (settingsView) Bypass(b api.SettingsBypass) string {
	return strings.Join(append([]string{b.To}, b.Devices...), " ")
}

func showSettings(v visit) (any, error) {
	now, err := look[api.Settings](v, "settings")
	return settingsView{Now: now, Form: now.SettingsRequest, Metrics: metrics}, err
}

// metrics are who may ask for numbers.
var metrics = []string{"off", "loopback", "household"}

// settingsOf is what somebody has typed. added is a part of it.
func settingsOf(f url.Values) (r api.SettingsRequest, added api.SettingsBypass) {
	r = api.SettingsRequest{Of: f.Get("of"), Policy: f.Get("policy"), Metrics: f.Get("metrics"), On: f["on"],
		Block: strings.Fields(f.Get("block"))}
	for _, text := range f["bypass"] {
		if words := strings.Fields(text); len(words) > 0 {
			r.Bypasses = append(r.Bypasses, api.SettingsBypass{To: words[0], Devices: words[1:]})
		}
	}
	added = api.SettingsBypass{To: strings.TrimSpace(f.Get("to")), Devices: strings.FieldsFunc(f.Get("devices"), func(c rune) bool {
		return c == ' ' || c == ','
	})}
	if added.To != "" {
		r.Bypasses = append(r.Bypasses, added)
	}
	return r, added
}

// planSettings shows what settings would change. Whatever is wrong with them, what was
// typed stays in the form.
func (s *Site) planSettings(w http.ResponseWriter, r *http.Request) {
	if !s.readOurs(w, r) {
		return
	}
	question, added := settingsOf(r.PostForm)
	plan, p, err := ask[api.SettingsPlan](r.Context(), s.box, token(r, cookieName), "settings/plan", question)
	if err != nil {
		s.unavailable(w, r)
		return
	}
	if p.Gone {
		s.expired(w, r)
		return
	}
	o, status := outcome{Error: p.Error, Hint: p.Hint}, http.StatusOK
	if p.Error != "" {
		status = http.StatusConflict
	}
	s.enterWith(w, r, "settings", status, o, func(v visit) (any, error) {
		shown, err := showSettings(v)
		view, _ := shown.(settingsView)
		view.Form = question
		if p.Error != "" {
			view.New, view.Form.Bypasses = added, without(question.Bypasses, added)
			return view, err
		}
		request, err2 := json.Marshal(question)
		view.Plan, view.Request = &plan, string(request)
		return view, errors.Join(err, err2)
	})
}

// without is a list but for its last element, if that is b.
func without(list []api.SettingsBypass, b api.SettingsBypass) []api.SettingsBypass {
	if b.To == "" || len(list) == 0 {
		return list
	}
	return list[:len(list)-1]
}

// errRequest is for a form that no page of ours has made.
var errRequest = errors.New("settings.broken")

// appliedSettings are those of which a plan was shown.
func appliedSettings(f url.Values) (any, error) {
	var r api.SettingsRequest
	if json.Unmarshal([]byte(f.Get("request")), &r) != nil {
		return nil, errRequest
	}
	return r, nil
}
