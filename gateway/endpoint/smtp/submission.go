package smtp

import (
	"io"
	"strings"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/address"
)

// submission is a conversation on port 587: a user of the house hands in mail
// (RFC 6409).
type submission struct {
	*visit
	conn      *gosmtp.Conn
	encrypted bool
	user      string // who has logged in; "" is nobody yet
	claimed   string // who tries to log in

	from  address.Mailbox
	size  int64
	rcpts []address.Mailbox // with the names that every house knows
}

// Reset implements gosmtp.Session.
func (u *submission) Reset() { u.from, u.size, u.rcpts = address.Mailbox{}, 0, nil }

// Logout implements gosmtp.Session.
func (u *submission) Logout() error { return nil }

// AuthMechanisms are offered only when nobody can listen in.
func (u *submission) AuthMechanisms() []string {
	if !u.encrypted {
		return nil
	}
	return []string{"SCRAM-SHA-256", sasl.Plain}
}

// Auth begins a login. A device that guesses passwords is made to wait.
func (u *submission) Auth(mechanism string) (sasl.Server, error) {
	if err := u.door.logins.check(u.visitor.ID); err != nil {
		return nil, u.refuse(err)
	}
	switch mechanism {
	case sasl.Plain:
		return &login{Server: sasl.NewPlainServer(u.plain), done: func() error { return nil }, fail: u.failed}, nil
	case "SCRAM-SHA-256":
		x := u.door.People().Exchange()
		return &login{Server: x, done: func() error { return u.enter(x.Name()) }, fail: func(err error) error {
			u.claimed = accountOf(x.Name())
			return u.failed(err)
		}}, nil
	}
	return nil, gosmtp.ErrAuthUnknownMechanism
}

// plain checks a login by RFC 4616. Nobody logs in as somebody else.
func (u *submission) plain(identity, username, password string) error {
	name, ok := u.door.People().Login(username, password)
	u.claimed = accountOf(username)
	if !ok || identity != "" && identity != username {
		return gosmtp.ErrAuthFailed
	}
	return u.enter(name)
}

// maxAccount is longer than any account's name.
const maxAccount = 64

// accountOf is the account that a login names, "" if there cannot be one.
func accountOf(login string) string {
	name, _, _ := strings.Cut(login, "@")
	if len(name) > maxAccount {
		return ""
	}
	return strings.ToLower(name)
}

// enter makes name the one who sends, if there is a mailbox of that name.
func (u *submission) enter(name string) error {
	if !u.door.hasMail(name) {
		return refuse(535, 5, 7, 8, "guests have chat, and no mail")
	}
	if err := u.door.logins.checkAccount(name, u.visitor.ID); err != nil {
		return err
	}
	if err := u.door.logins.Enter(name, u.visitor.ID); err != nil {
		u.door.Log.Warn("a device that has logged in could not be remembered", "error", err)
	}
	u.user = name
	return nil
}

// hasMail reports whether there is a mailbox of a user.
func (s *Server) hasMail(name string) bool {
	boxes := s.People().Mailboxes(name)
	return len(boxes) == 1 && boxes[0] == name
}

// still refuses who has logged in and has been removed since.
func (u *submission) still() error {
	if u.door.hasMail(u.user) {
		return nil
	}
	u.user = ""
	return u.refuse(errLogin)
}

func (u *submission) failed(err error) error {
	u.door.logins.Fail(u.visitor.ID)
	if u.claimed != "" {
		if blocked := u.door.logins.checkAccount(u.claimed, u.visitor.ID); blocked != nil {
			err = blocked // the same for a right password
		}
		u.door.logins.FailAccount(u.claimed)
	}
	if _, ok := err.(*gosmtp.SMTPError); !ok {
		err = gosmtp.ErrAuthFailed
	}
	return u.refuse(err)
}

// login is a SASL exchange with something to do at its end.
type login struct {
	sasl.Server
	done func() error
	fail func(error) error
}

func (l *login) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := l.Server.Next(response)
	if err == nil && done {
		err = l.done()
	}
	if err != nil {
		return nil, false, l.fail(err)
	}
	return challenge, done, nil
}

// Mail takes the sender, who must be the one who has logged in.
func (u *submission) Mail(from string, o *gosmtp.MailOptions) error {
	u.Reset()
	if u.user == "" {
		return u.refuse(errLogin)
	}
	if err := u.still(); err != nil {
		return err
	}
	if err := u.door.room(o.Size); err != nil {
		return err
	}
	m, err := u.mine(from)
	if err != nil {
		return u.refuse(err)
	}
	u.from, u.size = m, o.Size
	return nil
}

// mine returns an address of the user who has logged in, or refuses it.
func (u *submission) mine(text string) (address.Mailbox, error) {
	now := u.door.now()
	m, err := address.Parse(text)
	if err == nil {
		m, err = now.book.ResolveMailbox(m)
	}
	if err != nil || m.Domain != now.domain() || m.User() != u.user {
		return address.Mailbox{}, refuse(550, 5, 7, 1, "you have logged in as %s: send from %s@%s", u.user, u.user, now.domain())
	}
	return m, nil
}

// Rcpt takes one recipient, or says at once why nobody can bring mail there.
func (u *submission) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if u.user == "" {
		return u.refuse(errLogin)
	}
	m, err := u.reachable(to)
	if err != nil {
		return u.refuse(refusal(err))
	}
	u.rcpts = append(u.rcpts, m)
	return nil
}

// reachable says who a recipient is, in the way that every house understands.
func (u *submission) reachable(to string) (address.Mailbox, error) {
	m, err := address.Parse(to)
	if err != nil {
		return m, err
	}
	now := u.door.now()
	if m, err = now.book.ResolveMailbox(m); err != nil {
		return m, err
	}
	key, isOnion := m.Key()
	switch {
	case !isOnion && now.Smarthost == nil:
		return m, errInternet
	case !isOnion:
		return m, nil
	case now.own(key):
		m.Domain = now.domain()
		return m, u.door.recipient(m, u.from, u.size, false)
	case now.book.Petname(key) == "":
		return m, now.unconnected()
	}
	return m, nil
}

// Data takes the message.
func (u *submission) Data(text io.Reader) error {
	return u.take(text, func(in *incoming) error {
		if err := u.still(); err != nil { // the text may have taken long
			return err
		}
		return u.submit(in)
	})
}
