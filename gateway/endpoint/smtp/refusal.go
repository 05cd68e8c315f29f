package smtp

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/parts"
	"tunic/gateway/endpoint/smtp/spool"
)

// refuse is an answer that a person may read in an error window of a mail
// program: what is wrong and what to do (RFC 5321, section 4.2; RFC 3463).
func refuse(code int, class, subject, detail int, format string, args ...any) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{class, subject, detail}, Message: fmt.Sprintf(format, args...)}
}

var (
	errNoUser   = refuse(550, 5, 1, 1, "nobody here has this address")
	errNoMember = refuse(550, 5, 7, 1, "only its members write to this group: ask the people of its box to add you")
	errRelay    = refuse(550, 5, 7, 1, "this box takes mail for its own people only")
	errInternet = refuse(550, 5, 7, 1, "this box sends mail to friends' boxes, not to the internet: use another account for this address")
	errAddress  = refuse(501, 5, 1, 3, "this is no mail address that this box knows how to read")
	errFull     = refuse(452, 4, 3, 1, "no room is left on this box: try again later")
	errQuota    = refuse(452, 4, 2, 2, "this mailbox is full: try again when its owner has made room")
	errGroup    = refuse(452, 4, 2, 2, "much mail of this group is still on its way to its members: try again later")
	errBusy     = refuse(421, 4, 7, 0, "too many connections: try again later")
	errNotHere  = refuse(421, 4, 3, 2, "no mail is taken at this address: try again later")
	errTries    = refuse(421, 4, 7, 0, "too many refused commands on one connection")
	errSender   = refuse(550, 5, 7, 1, "your box is not connected with this one: its owner must invite you first")
	errSelf     = refuse(550, 5, 7, 1, "this box does not write to itself from outside")
	errUnsigned = refuse(550, 5, 7, 22, "this mail says that it is from an onion, and has no valid signature by it")
	errAuthor   = refuse(550, 5, 7, 1, "this box takes only mail whose author's address is an onion's")
	errLoop     = refuse(554, 5, 4, 6, "this mail goes round in circles")
	errLogin    = refuse(530, 5, 7, 0, "log in first, with the name and password of your mail")
	errHeader   = refuse(550, 5, 6, 0, "this mail's header cannot be understood: it needs one From with an address")
	errLines    = refuse(550, 5, 6, 0, "a line of this mail does not end in CR LF")
	errLong     = refuse(550, 5, 6, 0, "a line of this mail is longer than %d bytes", maxLine)
	errLater    = refuse(451, 4, 3, 0, "this mail cannot be kept at the moment: try again later")
	errAtOnce   = refuse(451, 4, 5, 0, "this mail is just being sent over another connection")
	errSigning  = refuse(451, 4, 7, 0, "this mail cannot be signed at the moment: try again in a minute")
)

// unconnected refuses an onion that is no friend's.
func (c *settings) unconnected() *gosmtp.SMTPError {
	if len(c.Friends) == 0 {
		return refuse(550, 5, 1, 2, "you are not connected with this box: send its owner an invitation (tunic invite)")
	}
	return refuse(550, 5, 1, 2, "you are not connected with this box: ask %s to introduce you", c.someFriends())
}

// someFriends names those who could introduce somebody.
func (c *settings) someFriends() string {
	var names []string
	for name := range c.Friends {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > 3 {
		names = append(names[:3], "another friend")
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// refusal turns an error on the way of a message into the answer to it.
func refusal(err error) error {
	var answer *gosmtp.SMTPError
	var unknown *address.UnknownPetnameError
	var telling *parts.Error
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &unknown):
		return refuse(550, 5, 1, 2, "%s: see `tunic friends` for the names of your friends", unknown)
	case errors.As(err, &telling):
		return refuse(550, 5, 7, 1, "%s", telling)
	case errors.Is(err, message.ErrLineEnds):
		return errLines
	case errors.Is(err, message.ErrHeader), errors.Is(err, message.ErrTooLong):
		return errHeader
	case errors.Is(err, gosmtp.ErrTooLongLine):
		return errLong
	case errors.Is(err, address.ErrRoute):
		return refuse(550, 5, 7, 1, "%s", address.ErrRoute)
	case errors.Is(err, address.ErrSyntax):
		return errAddress
	case errors.Is(err, spool.ErrFull):
		return errFull
	}
	return errLater
}
