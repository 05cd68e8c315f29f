package try

import (
	"fmt"
	"net/http"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/link"
)

// outcome is what one attempt comes down to.
type outcome struct {
	opens   bool
	refuses bool // the site answers, and lets this exit not in
	status  int
	who     string // that asks for a proof that a person is there
	fault   link.Fault
	step    api.TryStep // the one that failed
	exit    string
}

func outcomeOf(a api.TryAttempt) outcome {
	o := outcome{status: a.Status, who: a.Challenge, exit: exitWords(a.Exit)}
	if n := len(a.Steps); n > 0 && !a.Steps[n-1].OK {
		o.step = a.Steps[n-1]
		o.fault = link.Fault(o.step.Fault)
		return o
	}
	switch a.Status {
	case http.StatusForbidden, http.StatusTooManyRequests, http.StatusUnavailableForLegalReasons, http.StatusServiceUnavailable:
		o.refuses = true
	default:
		o.refuses = o.who != ""
		o.opens = !o.refuses && a.Status > 0 && a.Status < http.StatusInternalServerError
	}
	return o
}

func exitWords(e *api.TryExit) string {
	if e == nil {
		return "an exit"
	}
	return "the exit " + e.Nickname
}

// judge says in words what came of all attempts, and what to do.
func judge(t *api.Try, p page, d api.Device) {
	first, last := outcomeOf(t.Attempts[0]), outcomeOf(t.Attempts[len(t.Attempts)-1])
	t.Opens = last.opens
	switch {
	case first.opens:
		t.Verdict = opensWords(p, first.status)
	case last.opens:
		t.Verdict, t.Action = once(p, first, last, d)
	case last.fault == link.FaultHome:
		t.Verdict = p.Host + " is in the house: devices reach it without Tor"
		t.Action = "open it on a device; `tunic devices` lists addresses"
	case p.onion():
		t.Verdict, t.Action = onionWords(p, last)
	case last.refuses:
		t.Verdict, t.Action = refusal(last), leave(p, d, t.Way)
	case last.fault == "":
		t.Verdict = fmt.Sprintf("the site has a fault of its own: it answers %s", statusWords(last.status))
		t.Action = "wait: nothing on this box changes that"
	default:
		t.Verdict, t.Action = away(p, last, d, t.Way, by(t.Attempts))
	}
	switch t.Way {
	case api.ByDirect:
		t.Verdict = fmt.Sprintf("%s does not go there by Tor (policy %s); by Tor: %s", t.Device, t.Policy, t.Verdict)
	case api.ByBypass:
		t.Verdict = fmt.Sprintf("%s is let out to it, outside Tor (bypass); by Tor: %s", t.Device, t.Verdict)
	}
}

// opensWords are for a page that is there, or whose site is.
func opensWords(p page, status int) string {
	words := p.where() + " opens through Tor"
	switch {
	case status == http.StatusUnauthorized:
		return words + ", and asks who you are (401)"
	case status >= http.StatusBadRequest:
		return words + ", but not this page: it answers " + statusWords(status)
	}
	return words
}

func statusWords(status int) string {
	if text := http.StatusText(status); text != "" {
		return fmt.Sprintf("%d (%s)", status, strings.ToLower(text))
	}
	return fmt.Sprint(status)
}

// once is about a site that opened by another exit.
func once(p page, first, last outcome, d api.Device) (verdict, action string) {
	action = "open the page again; if that does not help: tunic new-identity"
	if d.MAC != "" {
		action += " " + orMAC(d)
	}
	why := first.step.Error
	switch {
	case p.onion():
		return p.where() + " opens through Tor, at the second try", ""
	case first.refuses:
		why = refusal(first)
	case first.fault == link.FaultCertificate:
		return fmt.Sprintf("%s shows another certificate than the site's (%s), and may read along; by %s the site opens", first.exit, why,
			last.exit), action
	case first.fault == "":
		why = "it answered " + statusWords(first.status)
	}
	return fmt.Sprintf("%s opens by %s, and not by %s: %s", p.where(), last.exit, first.exit, why), action
}

// refusal is about a site that answers and lets nobody in.
func refusal(o outcome) string {
	switch {
	case o.who != "":
		return fmt.Sprintf("the site refuses Tor: %s stands before it, and wants a proof that a person is there (%d)", o.who, o.status)
	case o.status == http.StatusTooManyRequests:
		return "the site refuses Tor: too many others come by the same exit (429)"
	case o.status == http.StatusUnavailableForLegalReasons:
		return "the site is closed by law in the exit's country (451)"
	case o.status == http.StatusServiceUnavailable:
		return "the site refuses Tor, or is overloaded (503)"
	}
	return fmt.Sprintf("the site refuses Tor (%d)", o.status)
}

// leave is the command that has a site reached outside Tor.
func leave(p page, d api.Device, way api.TryWay) string {
	if way != api.ByTor {
		return ""
	}
	words := "tunic bypass add " + strings.TrimPrefix(p.Host, "www.")
	if d.Named == "file" { // those have a file, by which a bypass names them
		words += " --device " + d.Name
	}
	return words
}

// by says how many exits have tried.
func by(list []api.TryAttempt) string {
	switch {
	case len(list) == 1:
		return "one exit"
	case sameExit(list):
		return "one exit, more than once"
	}
	return "two exits"
}

// away is about a site that nobody got an answer of.
func away(p page, o outcome, d api.Device, way api.TryWay, by string) (verdict, action string) {
	outside := "if it opens elsewhere, by a phone's mobile data for one, it shuts Tor out"
	if command := leave(p, d, way); command != "" {
		outside += ": " + command
	}
	switch o.fault {
	case link.FaultName:
		return fmt.Sprintf("there is no address for %s (asked by %s)", p.Host, by),
			"compare the name, letter by letter; or the site is gone"
	case link.FaultRefused:
		return fmt.Sprintf("port %d of %s takes no connection (asked by %s)", p.Port, p.Host, by),
			"most often nothing listens there: the site is down, or has another port or scheme (http, https); " + outside
	case link.FaultUnreached:
		return fmt.Sprintf("%s does not answer (asked by %s)", p.where(), by), "it is off, or drops what comes from Tor; " + outside
	case link.FaultCertificate:
		words := fmt.Sprintf("the certificate of %s is not valid: %s", p.where(), o.step.Error)
		if o.step.Saw != "" {
			words += " (" + o.step.Saw + ")"
		}
		return words, "the site's owner has to mend that; enter no password there"
	case link.FaultTLS:
		return fmt.Sprintf("%s ends the connection before a page is asked for: %s", p.where(), o.step.Error), outside
	case link.FaultSilent:
		return fmt.Sprintf("%s takes the connection and does not answer: %s", p.where(), o.step.Error), outside
	}
	return "Tor itself did not get there: " + o.step.Error, "try again in a minute; if that stays: tunic doctor"
}

// onionWords are about an onion that does not open. Nothing outside Tor leads there.
func onionWords(p page, o outcome) (verdict, action string) {
	switch {
	case o.fault == link.FaultName:
		return "there is no onion called " + p.Host, "compare the address, letter by letter; `tunic friends` lists friends' names"
	case o.fault == "":
		return fmt.Sprintf("the onion answers %s", statusWords(o.status)), "ask its owner"
	}
	return fmt.Sprintf("the onion does not open: %s", o.step.Error),
		"compare the address; if it is right, its box or what it leads to is off: ask its owner (of a friend: tunic friends)"
}
