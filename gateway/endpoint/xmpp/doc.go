// Package xmpp writes the configuration of the box's XMPP server, a managed
// Prosody, and holds the modules of ours that it loads.
//
// Prosody federates with friends' boxes alone, by their onions (mod_onions), and
// serves the household's users. Messages for a box that is off wait in
// mod_tunic_queue; its comment says how. mod_tunic_users logs removed users out.
// mod_storage_tunic divides what is kept among those who wrote it, mod_tunic_turns
// has those who ask for it take turns, and mod_tunic_logins slows down who guesses
// passwords.
//
// The package is pure: it makes texts. Who starts Prosody, and on what ports, is
// the supervisor's business.
package xmpp

import "embed"

// Modules are our own modules for Prosody, one file each:
// mod_NAME.lua, and NAME.lib.lua for what they share.
//
//go:embed modules/*.lua
var Modules embed.FS
