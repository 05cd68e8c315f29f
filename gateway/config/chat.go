package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// The endpoints for chat.
const (
	ircName  = "irc"
	xmppName = "xmpp"
)

// IRC is endpoints/irc.toml. An empty file is enough.
type IRC struct {
	MOTD     []string  // lines that everybody gets who comes; none: the usual ones
	Channels []Channel // that are there from the start
}

// Channel is a channel of IRC.
type Channel struct {
	Name  string // with its #
	Topic string // may be empty
}

// IRC returns the IRC endpoint, if the box serves one.
func (c *Config) IRC() (IRC, bool) {
	e, ok := c.own(ircName)
	return e.IRC, ok
}

// XMPP reports whether the box serves XMPP.
func (c *Config) XMPP() bool {
	_, ok := c.own(xmppName)
	return ok
}

// Gopher returns the directory of the Gopher endpoint, if the box serves one.
func (c *Config) Gopher() (root string, ok bool) {
	e, ok := c.own("gopher")
	return e.Root, ok
}

// Bounds that keep a channel's name and topic within a line of IRC (RFC 2812,
// 1.3 and 2.3: 50 and 512 bytes).
const (
	maxTopic = 300
	maxMOTD  = 100 // lines
)

// channelPattern is what every client can type.
var channelPattern = regexp.MustCompile(`^#[a-z0-9][a-z0-9_.-]{0,48}$`)

func readIRC(t *table) IRC {
	var c IRC
	if text, ok := t.text("motd"); ok {
		c.MOTD = strings.Split(strings.TrimRight(text, "\n"), "\n")
		if len(c.MOTD) > maxMOTD || slices.ContainsFunc(c.MOTD, badLine) {
			t.add("motd", problemf("", "it is at most %d lines of %d bytes, without control characters", maxMOTD, maxTopic))
		}
	}
	for _, ch := range t.tables("channel") {
		name, _ := ch.text("name")
		topic, _ := ch.text("topic")
		switch {
		case !ch.has("name"):
			ch.missing("name", `like name = "#home"`)
		case !channelPattern.MatchString(name):
			ch.add("name", problemf(`write small letters, digits, - and _, like "#home"`, "%q is no name of a channel", name))
		case slices.ContainsFunc(c.Channels, func(other Channel) bool { return other.Name == name }):
			ch.add("name", problemf("", "%q is there twice", name))
		case badLine(topic):
			ch.add("topic", problemf("", "it is one line of at most %d bytes", maxTopic))
		default:
			c.Channels = append(c.Channels, Channel{name, topic})
		}
		ch.finish()
	}
	return c
}

func badLine(text string) bool {
	return len(text) > maxTopic || strings.ContainsFunc(text, unicode.IsControl)
}
