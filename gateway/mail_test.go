package gateway

import (
	"context"
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
)

// Strangers' mail has an onion of its own, which everybody finds, and only if they
// are asked for.
func TestMailForStrangers(t *testing.T) {
	withMail := func(strangers bool) feature.Desired {
		in := inputs()
		in.Config.Endpoints = append(in.Config.Endpoints, config.Endpoint{Name: "smtp", SMTP: config.SMTP{Strangers: strangers}})
		in.Config.Peers = []config.Peer{{Name: "alice", Onion: "aaa2"}}
		in.Addresses["mail-strangers"] = "ssss"
		in.Foresee(context.Background(), features)
		return desire.State(in)
	}
	d := withMail(true)
	if names := frontNames(d); !slices.Contains(names, "mail-strangers") || !slices.Contains(names, "home") ||
		d.Serve.Mail.Strangers != "ssss" {
		t.Errorf("published: %v, mail %+v", names, d.Serve.Mail)
	}
	for _, o := range d.Tor.Onions {
		if open := o.Clients == nil; open != (o.Name == "mail-strangers" || o.Name == "photos") {
			t.Errorf("the onion %s is for %v", o.Name, o.Clients)
		}
	}
	if slices.Contains(frontNames(withMail(false)), "mail-strangers") {
		t.Error("strangers may come unasked")
	}
}
