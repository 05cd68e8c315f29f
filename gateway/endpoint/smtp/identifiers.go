package smtp

import (
	"net/mail"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
)

// idFields hold message identifiers, into which programs write host names.
var idFields = []string{"Message-ID", "In-Reply-To", "References", "Resent-Message-ID"}

// isOwnID reports whether a field holds the identifier that a mail gives itself.
func isOwnID(f message.Field) bool { return f.Is("Message-ID") || f.Is("Resent-Message-ID") }

// maxIDs is how many identifiers of a field are kept: those of the end, which
// name the last mails of a thread.
const maxIDs = 100

var (
	idToken   = regexp.MustCompile(`<[^<>]*>`)
	idPattern = sync.OnceValue(func() *regexp.Regexp { // it is big: who sends no mail has none
		return regexp.MustCompile(
			"^<([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,250})@([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,250}|\\[[A-Za-z0-9.:]{1,80}\\])>$")
	})
)

// eachID maps the right sides of a header's message identifiers (RFC 5322,
// section 3.6.4). The mapping is to be always the same, so that answers still
// find what they answer to; "" drops an identifier. What is none may say
// anything, and is dropped too; so is a field without any.
func eachID(h message.Header, right func(f message.Field, left, right string) string) message.Header {
	var changed message.Header
	for _, f := range h {
		if !slices.ContainsFunc(idFields, f.Is) {
			changed = append(changed, f)
			continue
		}
		var ids []string
		for _, token := range idToken.FindAllString(f.Value(), -1) {
			id := idPattern().FindStringSubmatch(token)
			if id == nil {
				continue
			}
			if r := right(f, id[1], strings.ToLower(id[2])); r == strings.ToLower(id[2]) {
				ids = append(ids, token)
			} else if r != "" {
				ids = append(ids, "<"+id[1]+"@"+r+">")
			}
		}
		if len(ids) == 1 || len(ids) > 1 && !isOwnID(f) {
			changed = append(changed, message.New(f.Name, strings.Join(ids[max(0, len(ids)-maxIDs):], "\r\n\t")))
		}
	}
	return changed
}

// localSuffixes end names that mean something in one house alone.
var localSuffixes = []string{".lan", ".local", ".localdomain", ".home", ".internal", ".intranet", ".corp", ".private",
	".home.arpa", ".arpa"}

// isLocalName reports whether a host name, or an address, is the house's own.
func isLocalName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if _, ok := address.Key(name); ok {
		return false
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return !strings.Contains(name, ".") || strings.HasPrefix(name, "[") ||
		slices.ContainsFunc(localSuffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

// isNameOf reports whether a name is a host's, or lies below it. An onion has a name in each of
// two domains, of which the host is that in .onion.
func isNameOf(name, host string) bool {
	name = strings.TrimSuffix(name, ".")
	if key, ok := strings.CutSuffix(name, address.Suffix); ok {
		name = key + ".onion"
	}
	return name == host || strings.HasSuffix(name, "."+host)
}

// oldZones are the names of zones in old dates (RFC 5322, section 4.3), and what
// has to be added to the time there for that of the world.
var oldZones = map[string]time.Duration{"EDT": 4 * time.Hour, "EST": 5 * time.Hour, "CDT": 5 * time.Hour, "CST": 6 * time.Hour,
	"MDT": 6 * time.Hour, "MST": 7 * time.Hour, "PDT": 7 * time.Hour, "PST": 8 * time.Hour}

// universal writes the dates of a header without the house's time zone. A date
// that nobody can read is dropped.
func universal(h message.Header) message.Header {
	var changed message.Header
	for _, f := range h {
		if f.Is("Date") || f.Is("Resent-Date") {
			at, err := mail.ParseDate(f.Value())
			if err != nil {
				continue
			}
			name, _ := at.Zone()
			f = message.New(f.Name, at.Add(oldZones[name]).UTC().Format(time.RFC1123Z))
		}
		changed = append(changed, f)
	}
	return changed
}
