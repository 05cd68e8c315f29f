package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/page"
)

// asked is the parent, as the page asks it.
type asked struct{ *Server }

// Look implements page.Box.
func (a asked) Look(ctx context.Context, device netip.Addr) (link.PageView, error) {
	return ask(ctx, a.Server, link.LookAtPage, link.PageVisit{Device: device})
}

// Device implements page.Box.
func (a asked) Device(addr netip.Addr) string { return string(a.Devices.Of(addr)) }

// LogIn implements page.Box.
func (a asked) LogIn(ctx context.Context, q link.PageLogin) (link.PagePass, error) {
	return ask(ctx, a.Server, link.LogIn, q)
}

// Enrol implements page.Box.
func (a asked) Enrol(ctx context.Context, q link.PageCode) (link.PagePass, error) {
	return ask(ctx, a.Server, link.Enrol, q)
}

// Act implements page.Box.
func (a asked) Act(ctx context.Context, q link.PageAct) (link.PageAnswer, error) {
	return ask(ctx, a.Server, link.Act, q)
}

// page serves the box's own page.
func (a *application) page(want *link.Page) {
	if want == nil {
		return
	}
	a.site.Set(*want)
	for _, name := range want.Listeners {
		a.run(name, "page", a.servePage(a.site.Plain(), func(ln net.Listener) net.Listener { return ln }))
	}
	for _, name := range want.TLS {
		a.run(name, "page-tls", a.servePage(a.site.Secure(), func(ln net.Listener) net.Listener {
			return tls.NewListener(ln, a.tlsConfig())
		}))
	}
	for _, name := range want.Shares {
		a.run(name, "shares", a.serveShares)
	}
}

// Bounds of a conversation with a browser: an answer for which the box may have to
// change something, and the header of a request.
const (
	answerTime = 3 * time.Minute
	headerSize = 16 << 10
)

// requestTime bounds a request that comes slowly. Tests set less.
var requestTime = 20 * time.Second

func (a *application) servePage(h http.Handler, over func(net.Listener) net.Listener) func(context.Context, *os.File) error {
	return func(ctx context.Context, f *os.File) error {
		ln, err := net.FileListener(f)
		if err != nil {
			return fmt.Errorf("taking over the listener: %w", err)
		}
		return serveBrowsers(ctx, over(limited{ln, a.household.of("page"), a.Devices}), h)
	}
}

// serveBrowsers serves HTTP until ctx ends.
func serveBrowsers(ctx context.Context, ln net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: requestTime, MaxHeaderBytes: headerSize,
		ErrorLog: log.New(nobody{}, "", 0)} // it would name devices
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(ln); ctx.Err() == nil {
		return fmt.Errorf("serving pages: %w", err)
	}
	return nil
}

var _ page.Box = asked{}
