package api

import "time"

// Settings are the keys that admins change on the box's page, as they are in force.
type Settings struct {
	SettingsRequest
	Servers  []string `json:"known_servers"` // all that can be switched on or off
	Policies []string `json:"policies"`
	Trial    *Trial   `json:"trial"` // nil: nothing waits to be confirmed
}

// Trial are settings that are in force and will be taken back by themselves.
type Trial struct {
	By    string    `json:"by"` // the user who has applied them
	Until time.Time `json:"until"`
}

// SettingsRequest is what all of these settings are to be, whole.
type SettingsRequest struct {
	Of       string           `json:"of"` // the configuration that whoever asks has seen
	Policy   string           `json:"policy"`
	Metrics  string           `json:"metrics"`
	On       []string         `json:"on"` // servers: "smtp", "xmpp", "irc", "gopher"
	Block    []string         `json:"block"`
	Bypasses []SettingsBypass `json:"bypasses"`
}

// SettingsBypass is one destination that is reached outside Tor.
type SettingsBypass struct {
	To      string   `json:"to"`
	Devices []string `json:"devices"` // by name; empty: every device
}

// SettingsPlan is what applying settings would change.
type SettingsPlan struct {
	Changes []SettingsChange `json:"changes"`
	Detail  []string         `json:"detail"` // line by line, as in Plan
}

// SettingsChange is one of them: "policy" or "metrics" becomes To, something is added
// or removed: "server.on", "server.off", "block.add", "block.remove", "bypass.add",
// "bypass.remove".
type SettingsChange struct {
	What    string   `json:"what"`
	To      string   `json:"to"`
	Devices []string `json:"devices"` // of a bypass
}
