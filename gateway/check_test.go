package gateway

import (
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/desire"
)

// A configuration says which servers it needs, on a box where nothing is set up.
func TestServersOfAConfiguration(t *testing.T) {
	c := inputs().Config
	c.Endpoints = append(c.Endpoints, config.Endpoint{Name: "smtp"}, config.Endpoint{Name: "irc"}, config.Endpoint{Name: "xmpp"})
	var names []string
	for _, s := range desire.Servers(t.Context(), features, c) {
		names = append(names, s.Name)
	}
	if want := []string{"dovecot", "ngircd", "prosody"}; !slices.Equal(names, want) {
		t.Errorf("it needs %v, not %v", names, want)
	}
	if list := desire.Servers(t.Context(), features, inputs().Config); len(list) > 0 {
		t.Errorf("without endpoints it needs %v", list)
	}
}
