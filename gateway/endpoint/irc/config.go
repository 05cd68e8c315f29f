// Package irc writes the configuration of the box's IRC server, a managed
// ngIRCd.
//
// Friends and the household meet on one server with one name space; boxes are
// not linked with each other, for a link would make a friend's operator ours.
// The package is pure: who starts ngIRCd, and on what ports, is the supervisor's
// business.
package irc

import (
	"fmt"
	"strings"
)

// ServerName is what the server calls itself. It is the same on every box, so
// that it tells nobody which one this is; ngIRCd has room for 63 bytes, and a
// global name has more.
const ServerName = "irc.home.arpa"

// Operator is the name that `tunic irc` logs in with.
const Operator = "tunic"

// Config is all that ngIRCd's configuration depends on.
type Config struct {
	Listen         string // address
	Port           uint16 // without TLS, which ends before it
	User           string // system user, whose group has the same name
	PIDFile        string
	MOTDFile       string // "" for none
	Empty          string // a directory without files: the default is the system's own
	CloakSalt      string // secret and fixed, so that a guest keeps the cloak
	OperatorSecret string // what `tunic irc` logs in with
	Admins         []Admin

	Channels []Channel
}

// Admin is a user who may become an operator.
type Admin struct{ Name, Password string }

// Channel is one that is there from the start, and stays.
type Channel struct {
	Name  string // with its #
	Topic string
}

// Places are how many connections visitors, and the household, each have of the
// server, and PlacesEach how many of them one circuit or device. serve divides
// them: ngIRCd would refuse whoever comes when all are taken.
const (
	Places     = 240
	PlacesEach = 10
)

// Limits, for floods: a household and its friends are some dozens. Those for
// connections are never reached: there is room for what serve has ended
// already and ngIRCd not yet.
const (
	maxConnections   = 2*Places + 120
	maxPerAddress    = 2 * PlacesEach
	maxJoins         = 30
	maxNickLength    = 30
	pingTimeout      = 180 // seconds; a circuit that is being built again takes its time
	pongTimeout      = 60
	maxListedChannel = 100
)

// Render returns the configuration file (ngircd.conf(5)). c is one that passed
// the checks of package config: no value has a control character in it.
func Render(c Config) string {
	var b strings.Builder
	section := func(name string) { fmt.Fprintf(&b, "[%s]\n", name) }
	set := func(name string, value any) { fmt.Fprintf(&b, "\t%s = %v\n", name, value) }
	b.WriteString("# Written by tunic; changes here are lost.\n")
	section("Global")
	set("Name", ServerName)
	set("Info", "tunic")
	set("Network", "home")
	set("Listen", c.Listen)
	set("Ports", c.Port)
	set("ServerUID", c.User)
	set("ServerGID", c.User)
	set("PidFile", c.PIDFile)
	if c.MOTDFile != "" {
		set("MotdFile", c.MOTDFile)
	} else {
		set("MotdPhrase", "Be kind. Nothing is kept here: rooms of XMPP remember.")
	}
	section("Limits")
	set("MaxConnections", maxConnections)
	set("MaxConnectionsIP", maxPerAddress)
	set("MaxJoins", maxJoins)
	set("MaxNickLength", maxNickLength)
	set("MaxListSize", maxListedChannel)
	set("PingTimeout", pingTimeout)
	set("PongTimeout", pongTimeout)
	section("Options")
	for _, o := range []struct{ name, value string }{
		{"CloakHost", "u.%x"}, {"CloakHostSalt", c.CloakSalt}, {"CloakUserToNick", "yes"},
		{"ConnectIPv4", "no"}, {"ConnectIPv6", "no"},
		{"DNS", "no"}, {"Ident", "no"}, {"PAM", "no"},
		{"MorePrivacy", "yes"}, {"ScrubCTCP", "yes"}, {"RequireAuthPing", "yes"},
		{"IncludeDir", c.Empty}, {"OperCanUseMode", "yes"}, {"AllowRemoteOper", "no"},
	} {
		set(o.name, o.value)
	}
	for _, a := range append([]Admin{{Operator, c.OperatorSecret}}, c.Admins...) {
		section("Operator")
		set("Name", a.Name)
		set("Password", a.Password)
		set("Mask", "*!*@*")
	}
	for _, ch := range c.Channels {
		section("Channel")
		set("Name", ch.Name)
		set("Topic", ch.Topic)
		set("Modes", "+nP")
	}
	return b.String()
}
