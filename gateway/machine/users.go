package machine

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// NoUserError says that a system user is not there that tunic needs.
type NoUserError struct{ Name string }

func (e *NoUserError) Error() string {
	return fmt.Sprintf("the system user %s does not exist", e.Name)
}

// User returns the numbers of a system user. The error of one that there is not
// is a *NoUserError.
func User(name string) (feature.IDs, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return feature.IDs{}, &NoUserError{name}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return feature.IDs{UID: uint32(uid), GID: uint32(gid)}, errors.Join(err, gidErr)
}

// Group is the id of a group, if there is one of that name.
func Group(name string) (gid int, ok bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	gid, err = strconv.Atoi(g.Gid)
	return gid, err == nil && gid > 0
}

// ChildUsers are the users of all children, as far as they exist: without those of
// the servers everything else works.
func ChildUsers() (ids feature.ChildIDs) {
	for name, to := range map[string]*feature.IDs{config.TorUser: &ids.Tor, config.ServeUser: &ids.Serve,
		config.MailUser: &ids.Mail, config.XMPPUser: &ids.XMPP, config.IRCUser: &ids.IRC, config.I2PUser: &ids.I2P,
		config.ServiceUser: &ids.Service} {
		if found, err := User(name); err == nil {
			*to = found
		}
	}
	return ids
}
