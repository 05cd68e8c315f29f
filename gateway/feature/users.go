package feature

// ChildIDs are the users that the daemon's children run as; zero where there is
// no such user.
type ChildIDs struct {
	Tor   IDs
	Serve IDs
	Mail  IDs // of the IMAP server
	XMPP  IDs // of the chat servers
	IRC   IDs
	I2P   IDs // of the I2P router

	Service IDs // of the commands of services for friends
}

// Confined are those who speak with strangers and devices.
func (c ChildIDs) Confined() (list []IDs) {
	for _, ids := range []IDs{c.Serve, c.Mail, c.XMPP, c.IRC, c.I2P, c.Service} {
		if ids != (IDs{}) {
			list = append(list, ids)
		}
	}
	return list
}
