package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/socks"
)

const (
	// tryTimeout bounds one attempt: two of them are over within a minute.
	tryTimeout = 28 * time.Second
	// maxRedirects is how many a browser's user would put up with.
	maxRedirects = 5
	// pageBytes bounds what is read of a page: enough to see that it is a captcha.
	pageBytes = 64 << 10
)

// tried is one attempt on its way.
type tried struct {
	*Server
	isolation string
	link.Attempted
}

// try opens a page through Tor and follows where it leads. Destinations go into no
// log.
func (s *Server) try(ctx context.Context, a link.Attempt) (link.Attempted, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	t := &tried{Server: s, isolation: rand.Text()}
	t.Circuit = s.socks.Circuit(t.isolation)
	for range maxRedirects {
		next, ok := t.page(ctx, a)
		if !ok || next.Host != a.Host && (s.atHome(next.Host) || s.onionOf(next.Host) != "") {
			break // a site may not lead the box into the house, or to friends
		}
		a = next
	}
	return t.Attempted, nil
}

// step notes what was done since begin.
func (t *tried) step(kind string, begin time.Time, saw string, fault link.Fault, reason string) {
	t.Steps = append(t.Steps, link.Step{Kind: kind, Took: time.Since(begin), Saw: saw, Fault: fault, Reason: reason})
}

// onionOf is the onion that a host stands for: itself, or a friend's by its name.
func (s *Server) onionOf(host string) string {
	if strings.HasSuffix(host, ".onion") {
		return host
	}
	return s.resolver.OnionName(host)
}

// atHome reports whether Tor must not be asked for a host.
func (s *Server) atHome(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return s.resolver.HomeAddr(a.Unmap())
	}
	return s.onionOf(host) == "" && s.resolver.HomeName(host)
}

// page opens one page; ok says that it leads to another.
func (t *tried) page(ctx context.Context, a link.Attempt) (next link.Attempt, ok bool) {
	begin := time.Now()
	if t.atHome(a.Host) {
		t.step("name", begin, "", link.FaultHome, "it is a name or an address of the house, for which Tor is never asked")
		return next, false
	}
	c, ok := t.connect(ctx, a)
	if !ok {
		return next, false
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if a.TLS {
		if c, ok = t.secure(ctx, c, a); !ok {
			return next, false
		}
	}
	return t.request(c, a)
}

// connect asks an exit for the name, and has it connect.
func (t *tried) connect(ctx context.Context, a link.Attempt) (net.Conn, bool) {
	begin := time.Now()
	addr, err := netip.ParseAddr(a.Host)
	onion := t.onionOf(a.Host)
	if err != nil && onion == "" {
		found, err := t.socks.Resolve(ctx, t.isolation, a.Host)
		if err != nil {
			t.step("name", begin, "", nameFault(err), "an exit found no address: "+socks.Reason(err))
			return nil, false
		}
		t.step("name", begin, found.String(), "", "")
		begin = time.Now()
	}
	var c *net.UnixConn
	switch {
	case onion != "":
		c, err = t.socks.DialOnion(ctx, t.isolation, onion, a.Port)
	case addr.IsValid():
		c, err = t.socks.DialAddr(ctx, t.isolation, netip.AddrPortFrom(addr.Unmap(), a.Port))
	default:
		c, err = t.socks.DialHost(ctx, t.isolation, a.Host, a.Port)
	}
	if err != nil {
		fault, reason := tcpFault(err), socks.Reason(err)
		if fault == link.FaultRefused && onion == "" {
			reason = "no exit could connect"
		}
		t.step("tcp", begin, "", fault, reason)
		return nil, false
	}
	t.step("tcp", begin, "port "+strconv.Itoa(int(a.Port)), "", "")
	return c, true
}

// nameFault tells a name that has no address apart from a Tor that does not work.
func nameFault(err error) link.Fault {
	if _, unreached := socks.Refusal(err); unreached && !errors.Is(err, context.DeadlineExceeded) {
		return link.FaultName
	}
	return link.FaultTor
}

func tcpFault(err error) link.Fault {
	switch refused, unreached := socks.Refusal(err); {
	case refused:
		return link.FaultRefused
	case unreached:
		return link.FaultUnreached
	}
	return link.FaultTor
}

// secure begins TLS. The certificate is looked at afterwards, to say what is wrong
// with it; an onion's address proves by itself who answers.
func (t *tried) secure(ctx context.Context, raw net.Conn, a link.Attempt) (net.Conn, bool) {
	begin := time.Now()
	c := tls.Client(raw, &tls.Config{ServerName: a.Host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err := c.HandshakeContext(ctx); err != nil {
		t.step("tls", begin, "", link.FaultTLS, tlsWords(err))
		return nil, false
	}
	chain := c.ConnectionState().PeerCertificates
	saw := certificateWords(chain[0])
	if t.onionOf(a.Host) == "" {
		if err := verify(chain, a.Host); err != nil {
			t.step("tls", begin, saw, link.FaultCertificate, verifyWords(err, chain[0]))
			return nil, false
		}
	}
	t.step("tls", begin, saw, "", "")
	return c, true
}

func verify(chain []*x509.Certificate, host string) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	return err
}

// maxNames bounds how many names of a certificate are told.
const maxNames = 3

func certificateWords(c *x509.Certificate) string {
	names := c.DNSNames
	for _, a := range c.IPAddresses {
		names = append(names, a.String())
	}
	if len(names) == 0 {
		names = []string{c.Subject.CommonName}
	}
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames:maxNames], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("certificate for %s, until %s", strings.Join(names, ", "), c.NotAfter.Format(time.DateOnly))
}

// verifyWords say what is wrong with a certificate.
func verifyWords(err error, c *x509.Certificate) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return "it is for other names"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(c.NotBefore):
		return "it is valid only from " + c.NotBefore.Format(time.DateOnly) + " on: is this box's clock right?"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired on " + c.NotAfter.Format(time.DateOnly)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Sprintf("%q, who issued it, is nobody whom this box trusts", c.Issuer.CommonName)
	case errors.As(err, new(x509.SystemRootsError)):
		return "this box has no list of authorities: install the package ca-certificates"
	}
	return "it is not valid"
}

func tlsWords(err error) string {
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &header):
		return "what answers there speaks no TLS"
	case errors.As(err, &alert):
		return "the server ends it: " + strings.TrimPrefix(alert.Error(), "tls: ")
	case isTimeout(err):
		return "no answer in time"
	}
	return "the connection was closed"
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// browser is what Tor Browser says it is: sites judge by it.
const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"

// request asks for the page.
func (t *tried) request(c net.Conn, a link.Attempt) (next link.Attempt, ok bool) {
	begin := time.Now()
	head := "GET " + a.Path + " HTTP/1.1\r\nHost: " + hostHeader(a) + "\r\nUser-Agent: " + browser +
		"\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nConnection: close\r\n\r\n"
	_, err := io.WriteString(c, head)
	var answer *http.Response
	in := bufio.NewReader(io.LimitReader(c, pageBytes))
	for ok = true; ok && err == nil; { // the final one (RFC 9110, section 15.2)
		answer, err = http.ReadResponse(in, nil)
		ok = err == nil && answer.StatusCode < http.StatusOK
	}
	if err != nil {
		t.step("http", begin, "", link.FaultSilent, silenceOf(err))
		return next, false
	}
	text, _ := io.ReadAll(answer.Body) // as far as it comes
	t.Status, t.Challenge = answer.StatusCode, challenge(answer, text)
	saw := strconv.Itoa(answer.StatusCode) + " " + http.StatusText(answer.StatusCode)
	if next, ok = redirect(answer, a); ok {
		saw += ", on to " + hostHeader(next)
	}
	t.step("http", begin, strings.TrimSpace(saw), "", "")
	return next, ok
}

// silenceOf says why a request got no answer.
func silenceOf(err error) string {
	switch {
	case isTimeout(err):
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(*net.OpError)):
		return "the connection was closed without an answer"
	}
	return "what answers there speaks no HTTP"
}

// hostHeader is the host as requests name it (RFC 9110, section 7.2).
func hostHeader(a link.Attempt) string {
	if a.TLS && a.Port == 443 || !a.TLS && a.Port == 80 {
		if strings.Contains(a.Host, ":") {
			return "[" + a.Host + "]"
		}
		return a.Host
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// redirect is the page to which an answer leads.
func redirect(answer *http.Response, a link.Attempt) (link.Attempt, bool) {
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return link.Attempt{}, false
	}
	scheme := "http"
	if a.TLS {
		scheme = "https"
	}
	from, err := url.Parse(scheme + "://" + hostHeader(a) + a.Path)
	if err != nil {
		return link.Attempt{}, false
	}
	to, err := from.Parse(answer.Header.Get("Location"))
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" {
		return link.Attempt{}, false
	}
	next := link.Attempt{TLS: to.Scheme == "https", Host: strings.ToLower(to.Hostname()), Port: 80, Path: to.RequestURI()}
	if next.TLS {
		next.Port = 443
	}
	if p := to.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return link.Attempt{}, false
		}
		next.Port = uint16(n)
	}
	return next, true
}

// challenge says who has put a page in front of the site that asks for a proof that
// a person is there; "" is nobody.
func challenge(answer *http.Response, text []byte) string {
	has := func(what string) bool { return bytes.Contains(text, []byte(what)) }
	refuses := answer.StatusCode >= http.StatusBadRequest
	switch {
	case answer.Header.Get("Cf-Mitigated") != "", refuses && has("/cdn-cgi/challenge-platform/"):
		return "Cloudflare"
	case answer.Header.Get("X-Amzn-Waf-Action") != "":
		return "Amazon's firewall"
	case has("_Incapsula_Resource"):
		return "Imperva"
	case refuses && answer.Header.Get("X-Datadome") != "":
		return "DataDome"
	case refuses && bytes.Contains(bytes.ToLower(text), []byte("captcha")):
		return "a captcha"
	}
	return ""
}
