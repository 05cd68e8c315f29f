package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"sync"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/config"
	"tunic/gateway/endpoint/smtp"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// smtpPort is where other boxes bring mail (RFC 5321).
const smtpPort = 25

// mailServer is the running mail server with what it was made for.
type mailServer struct {
	*smtp.Server
	want link.Mail
	end  func() // stops deliveries and waits for them
}

// mail keeps the mail server as the parent wants it.
func (a *application) mail(want *link.Mail) {
	if want == nil {
		a.smtp.replace(nil)
		return
	}
	p := a.smtp.get()
	if p == nil {
		a.keep(want.Listeners...) // for the time when it is open; one before may still run there, without its spool
		server, err := a.smtp.open(a.mailOptions(want.Dir))
		if err != nil {
			a.fail("the mail server: %v", err)
			return
		}
		p = a.runMail(server)
		a.smtp.replace(p)
	}
	if !reflect.DeepEqual(p.want, *want) {
		p.want = *want
		p.Set(mailConfig(*want))
	}
	for _, name := range want.Listeners {
		a.run(name, want.Dir, func(ctx context.Context, f *os.File) error {
			return a.serveHousehold(ctx, f, p.Submission(), config.SubmissionPort)
		})
	}
}

// mailOptions are those of a server that keeps its mail in a directory.
func (a *application) mailOptions(dir string) smtp.Options {
	return smtp.Options{Dir: dir, Log: a.log, TLS: a.tlsConfig(), Sign: a.sign, Reason: reason, Turn: a.turn,
		People: func() smtp.People { return people{a.book.Load()} },
		Dial: func(ctx context.Context, key onion.Address, fresh bool) (net.Conn, error) {
			return a.socks.DialOnion(ctx, isolation("smtp", fresh), key.Host(), smtpPort)
		},
		DialHost: func(ctx context.Context, host string, port uint16, fresh bool) (net.Conn, error) {
			return a.socks.DialHost(ctx, isolation("smarthost", fresh), host, port)
		}}
}

// runMail begins to deliver.
func (a *application) runMail(server *smtp.Server) *mailServer {
	ctx, cancel := context.WithCancel(a.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Run(ctx)
	}()
	return &mailServer{Server: server, end: func() { cancel(); <-done; server.Close() }}
}

// mailConfig turns the parent's words into the server's.
func mailConfig(m link.Mail) smtp.Config {
	c := smtp.Config{Home: onion.Address(m.Home), Strangers: onion.Address(m.Strangers), Friends: make(map[string]onion.Address),
		Phones: m.Phones, MaxSize: m.MaxSize, Quota: m.Quota}
	if s := m.Smarthost; s != nil {
		c.Smarthost = &smtp.Smarthost{Host: s.Host, Port: s.Port, User: s.User, Password: s.Password, From: s.From}
	}
	for _, f := range m.Former {
		c.Former = append(c.Former, onion.Address(f))
	}
	for _, f := range m.Friends {
		c.Friends[f.Name] = onion.Address(f.Key)
	}
	for _, g := range m.Groups {
		c.Groups = append(c.Groups, smtp.Group(g))
	}
	return c
}

// people are the household's users as the mail server knows them.
type people struct{ *account.Book }

func (p people) Exchange() smtp.Exchange { return p.Book.Exchange() }

// currentMail holds the mail server, which several goroutines ask for.
type currentMail struct {
	mu      sync.Mutex
	now     *mailServer  // nil: no mail
	opening *mailOpening // nil: none is
}

// mailOpening is a mail server whose spool is being read, which takes minutes when thousands of mails wait
// on a slow disk.
type mailOpening struct {
	done   chan struct{} // then the others are there
	server *smtp.Server
	err    error
}

// openTime is how long the rest of the box waits for mail.
const openTime = 2 * time.Second

// errOpening is what a mail server says that will be there later.
var errOpening = errors.New("it still reads the mails that wait; the box goes on without it until then")

// open opens the spool, or goes on with that. It waits for openTime at most, and then
// says errOpening: who asks again is given the server when it is open.
func (o *currentMail) open(options smtp.Options) (*smtp.Server, error) {
	o.mu.Lock()
	opening := o.opening
	if opening == nil {
		opening = &mailOpening{done: make(chan struct{})}
		o.opening = opening
		go func() {
			defer close(opening.done)
			opening.server, opening.err = smtp.New(options)
		}()
	}
	o.mu.Unlock()
	select {
	case <-opening.done:
	case <-time.After(openTime):
		return nil, errOpening
	}
	o.mu.Lock()
	o.opening = nil
	o.mu.Unlock()
	return opening.server, opening.err
}

// giveUp closes a server that nobody wants any more, when it is open.
func (m *mailOpening) giveUp() {
	if <-m.done; m.err == nil {
		m.server.Close()
	}
}

func (o *currentMail) get() *mailServer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// replace ends the server that is there, or that is being opened.
func (o *currentMail) replace(p *mailServer) {
	o.mu.Lock()
	old, opening := o.now, o.opening
	o.now, o.opening = p, nil
	o.mu.Unlock()
	if opening != nil {
		go opening.giveUp()
	}
	if old != nil {
		old.end()
	}
}

// errNoMail is the answer to questions about mail where there is none.
var errNoMail = errors.New("mail is not set up: make the file endpoints/smtp.toml, which may be empty")

// answerMail answers the parent's questions about mail.
func (s *Server) answerMail(_ context.Context, q link.MailQuestion) (link.MailAnswer, error) {
	if p := s.smtp.get(); p != nil {
		return p.answer(q)
	}
	return link.MailAnswer{}, errNoMail
}

// tellAdmins delivers what the box tells its admins.
func (s *Server) tellAdmins(_ context.Context, n link.Notice) (none struct{}, err error) {
	if p := s.smtp.get(); p != nil {
		return none, p.TellAdmins(smtp.BoxNotice(n))
	}
	return none, errNoMail
}

func (p *mailServer) answer(q link.MailQuestion) (a link.MailAnswer, err error) {
	switch q.Verb {
	case link.MailQueue:
		for _, w := range p.Queue() {
			a.Messages = append(a.Messages, letter(w))
		}
	case link.MailShow:
		var w smtp.Waiting
		w, err = p.Show(q.Word)
		a.Messages = []link.Letter{letter(w)}
	case link.MailFlush:
		a.Count, err = p.Flush(q.Word)
	case link.MailDrop:
		err = p.Drop(q.Word)
	default:
		err = fmt.Errorf("mail has no verb %q", q.Verb)
	}
	return a, err
}

func letter(w smtp.Waiting) link.Letter {
	l := link.Letter{ID: w.ID, From: w.From, Arrived: w.Arrived, Size: w.Size, Next: w.Next, Header: w.Header}
	for _, r := range w.Recipients {
		l.Recipients = append(l.Recipients, link.LetterRecipient{To: r.To, State: string(r.State), Reason: r.Reason})
	}
	return l
}
