package peer

import "fmt"

// Refusal is why a box does not go on. It is one byte on the wire; a number
// that this version does not know is a refusal too.
type Refusal uint8

const (
	Unknown    Refusal = 1 // no such invitation: mistyped, withdrawn, or of another box
	Expired    Refusal = 2
	Used       Refusal = 3 // by another box, or by this one before it forgot
	NotYours   Refusal = 4 // the invitation is for one certain other box
	BadProof   Refusal = 5
	NoFriend   Refusal = 6 // a hello of a box that is no friend
	Busy       Refusal = 7 // try later
	BadVersion Refusal = 8
	Own        Refusal = 9 // a box came to itself
	Declined   Refusal = 10
)

// Error says what it means to the side that was refused.
func (r Refusal) Error() string {
	switch r {
	case Unknown:
		return "their box knows no such invitation: it was withdrawn, or has been used up"
	case Expired:
		return "the invitation has expired: ask for a new one"
	case Used:
		return "another box has used this invitation, or this one did before it forgot it: ask for a new one, " +
			"and ask who has seen the old one"
	case NotYours:
		return "the invitation is for a certain other box: ask for one of your own"
	case BadProof:
		return "the other box did not believe our proof"
	case NoFriend:
		return "their box does not know ours: it may have forgotten us"
	case Busy:
		return "their box is busy"
	case BadVersion:
		return "their box speaks another version of tunic: update the older one"
	case Own:
		return "this is this box's own invitation: it is for a friend's box"
	case Declined:
		return "the invitation was withdrawn"
	}
	return fmt.Sprintf("their box refused with number %d, which this version does not know", uint8(r))
}

// Final reports whether trying again is of no use.
func (r Refusal) Final() bool { return r != Busy }
