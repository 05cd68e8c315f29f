package link

import "time"

// What the parent asks serve. Apply and Renew are obeyed in the order of the
// link, among the listeners that are handed over.
var (
	// Apply makes serve run a desired state, and returns what it could not do, in words.
	Apply = Verb[Desired, []string]{"apply", inOrder, 10 * time.Second}
	// Report is what serve knows of itself.
	Report = Verb[struct{}, Status]{"report", 16, 10 * time.Second}
	// Renew gives devices other identities towards tor.
	Renew = Verb[Renewal, struct{}]{"renew", inOrder, 10 * time.Second}
	// Reach finds out whether an onion can be reached; two attempts to call it
	// through Tor are over by then.
	Reach = Verb[Trial, Reached]{"reach", 64, 150 * time.Second}
	// LookAtService connects once to the server that friends may use under a name.
	LookAtService = Verb[string, PortStatus]{"service.look", 16, 10 * time.Second}
	// Try opens a page through Tor once.
	Try = Verb[Attempt, Attempted]{"try", 4, 40 * time.Second}
	// AskMail asks about the queue of mail, or changes it.
	AskMail = Verb[MailQuestion, MailAnswer]{"mail", 64, 10 * time.Second}
	// TellAdmins delivers a notice to the admins' mailboxes on this box. The same one
	// again is no second mail.
	TellAdmins = Verb[Notice, struct{}]{"notice", 4, 10 * time.Second}
	// Rest has serve give up what only one of a house can do, until the next Apply:
	// another one is about to.
	Rest = Verb[struct{}, struct{}]{"rest", inOrder, 10 * time.Second}
	// Sample takes a profile of serve, which takes two minutes at most.
	Sample = Verb[Sampling, []byte]{"sample", 1, 150 * time.Second}
	// Drain has serve take nothing new. It ends when what it has has ended, also
	// without a parent; the answer is how many streams there are.
	Drain = Verb[struct{}, int]{"drain", inOrder, 10 * time.Second}
)

// What serve asks the parent, which bounds what it does for it at a time: a
// device or a stranger may have taken serve over.
var (
	// LetThrough has a device reach addresses outside Tor for a while; it is
	// answered when that is in force.
	LetThrough = Verb[Grant, struct{}]{"grant", 64, time.Minute}
	// SignMail signs a mail by an onion's key.
	SignMail = Verb[Digest, []byte]{"mail.sign", 64, 30 * time.Second}
	// Befriend makes one step of a conversation with another box.
	Befriend = Verb[Pairing, Paired]{"friend.pair", 32, time.Minute}
	// Measure is the status in numbers, as Prometheus reads them.
	Measure = Verb[struct{}, []byte]{"metrics", 4, 10 * time.Second}
	// Hear keeps what a friend's box has said of itself.
	Hear = Verb[Seen, Paired]{"friend.hear", 32, time.Minute}
	// LogIn checks what somebody shows, and Enrol the first code of an admin's.
	LogIn = Verb[PageLogin, PagePass]{"page.login", 4, 20 * time.Second}
	Enrol = Verb[PageCode, PagePass]{"page.enrol", 4, 20 * time.Second}
	// Act shows or does what a user may who is logged in.
	Act = Verb[PageAct, PageAnswer]{"page.act", 16, 2 * time.Minute}
	// RunService starts a command for a friend; two descriptors come with it.
	RunService = Verb[Run, struct{}]{"service.run", 64, 20 * time.Second}
	// LookAtPage says what everybody in the house may know.
	LookAtPage = Verb[PageVisit, PageView]{"page.look", 16, 10 * time.Second}
)
