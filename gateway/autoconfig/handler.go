package autoconfig

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// userName is what a user's name can be (account.CheckName); whether there is
// one is nobody's business.
var userName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

const maxName = 30

// Handler answers mail programs and people who look for their settings, and no
// page that had another name lead here (rebinding): it would learn the household's
// onion.
func (s Settings) Handler() http.Handler {
	mux := http.NewServeMux()
	xmlFile := file("text/xml; charset=utf-8", s.Thunderbird())
	mux.HandleFunc("GET /mail/config-v1.1.xml", xmlFile)
	mux.HandleFunc("GET /.well-known/autoconfig/mail/config-v1.1.xml", xmlFile)
	mux.HandleFunc("GET /ca.crt", file("application/x-x509-ca-cert", []byte(s.CA)))
	mux.HandleFunc("GET /apple/{file}", s.apple)
	mux.HandleFunc("GET /{$}", file("text/plain; charset=utf-8", []byte(s.page())))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.named(r.Host) {
			http.Error(w, "These pages are at http://setup.box.home.arpa/ alone.", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// named reports whether a Host is a name of the box or of the household's mail, or
// an address, which no DNS can lead elsewhere.
func (s Settings) named(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") { // without a port
		host = host[1 : len(host)-1]
	}
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	_, err := netip.ParseAddr(host[1:])
	return err == nil || strings.HasSuffix(host, "."+s.Host) || strings.HasSuffix(host, "."+s.Domain)
}

func file(kind string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(body)
	}
}

// apple serves NAME.mobileconfig.
func (s Settings) apple(w http.ResponseWriter, r *http.Request) {
	user, ok := strings.CutSuffix(r.PathValue("file"), ".mobileconfig")
	if !ok || len(user) > maxName || !userName.MatchString(user) {
		http.NotFound(w, r)
		return
	}
	file("application/x-apple-aspen-config", s.Apple(user))(w, r)
}

// page is for people.
func (s Settings) page() string {
	return fmt.Sprintf(`Mail in this house

Address:          NAME@%[1]s
Incoming server:  IMAP, %[2]s, port %[3]d, SSL/TLS, normal password
Outgoing server:  SMTP, %[2]s, port %[4]d, STARTTLS, normal password
User name:        NAME

/ca.crt                    the certificate to install first; compare its fingerprint
                           with what "tunic ca" prints on the box
/apple/NAME.mobileconfig   both at once, for iPhone, iPad and Mac
`, s.Domain, s.Host, s.IMAPS, s.Submit)
}
