// Package account keeps the household's users: one name and one password each,
// for mail and chat.
//
// A password is stored only as what SCRAM-SHA-256 needs to check it (RFC 5802,
// RFC 7677), and rendered from that for each server: Prosody's account file,
// Dovecot's passwd-file, and the box's own servers (Book). Store keeps the
// accounts on disk for the parent; Book answers logins in serve.
//
// It is for people of the household. Friends' boxes are peers and log in
// nowhere.
package account

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Role says what a user may do.
type Role string

const (
	Admin  Role = "admin"  // a member, who also gets what is sent to postmaster and the like
	Member Role = "member" // mail and chat
	Guest  Role = "guest"  // chat only, until a moment
)

// roles are all there are.
var roles = []Role{Admin, Member, Guest}

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(roles, r) {
		return r, nil
	}
	return "", fmt.Errorf("%q is no role: there are admin, member and guest", s)
}

// User is one account.
type User struct {
	Name   string // what comes before the @ of its address
	Role   Role
	Until  time.Time // when a guest's account ends; zero for others
	Record Record
}

// HasMail reports whether the user has a mailbox.
func (u User) HasMail() bool { return u.Role != Guest }

// expired reports whether the account is to go.
func (u User) expired(now time.Time) bool { return u.Role == Guest && !now.Before(u.Until) }

// namePattern is what a user's name looks like: short enough for every server,
// and the same in a path, a mail address (RFC 5321) and a JID (RFC 7622).
var namePattern = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

const maxName = 30

// reserved are the names that mean whoever runs the box (RFC 2142 and custom).
var reserved = []string{"abuse", "admin", "administrator", "hostmaster", "mailer-daemon", "noc", "postmaster", "root", "security",
	"webmaster"}

// taken are names that would mislead, or mean something to a server.
var taken = []string{"all", "anonymous", "daemon", "everyone", "mail", "no-reply", "nobody", "noreply", "rooms", "system", "tunic",
	"upload", "www"}

// isReserved reports whether a name is an alias of the admins.
func isReserved(name string) bool { return slices.Contains(reserved, name) }

// CheckName refuses what cannot be a user's name, and says why.
func CheckName(name string) error {
	switch {
	case isReserved(name):
		return fmt.Errorf("%q always means the admins of the box: give the user another name", name)
	case slices.Contains(taken, name):
		return fmt.Errorf("%q is not for a person: give the user another name", name)
	case len(name) > maxName || !namePattern.MatchString(name):
		return fmt.Errorf("%q is no name: it has 1 to %d lower-case letters and digits, "+
			"with single dots, hyphens or underscores between them", name, maxName)
	}
	return nil
}

// LoginName is the account's name in what people type to log in: it, or the
// whole address, in letters of any case.
func LoginName(login string) string {
	name, _, _ := strings.Cut(login, "@")
	return strings.ToLower(name)
}
