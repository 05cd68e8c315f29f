package gopher

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// redirectPrefix begins the selector of a link that leads out of Gopher.
const redirectPrefix = "URL:"

// schemes are those that a redirect may lead to: none of them runs a script.
var schemes = []string{"http", "https", "gopher", "gophers", "gemini", "ftp", "mailto", "irc", "ircs", "xmpp", "news", "telnet"}

// redirectURL returns where a URL: selector leads, if it is one. Clients that
// know the convention go there by themselves and never ask the server.
func redirectURL(selector string) (url string, ok bool) {
	url, ok = strings.CutPrefix(strings.TrimPrefix(selector, "/"), redirectPrefix)
	scheme, _, _ := strings.Cut(url, ":")
	return url, ok && slices.Contains(schemes, strings.ToLower(scheme)) && !strings.ContainsFunc(url, isNoURL)
}

// leadsOut reports whether a client may take a selector for such a link, and go to where
// it says instead of to the host of its line.
func leadsOut(selector string) bool {
	s := strings.TrimLeft(selector, "/ ")
	return len(s) >= len(redirectPrefix) && strings.EqualFold(s[:len(redirectPrefix)], redirectPrefix)
}

// isNoURL reports what a URL holds only in escaped form (RFC 3986 section 2).
func isNoURL(r rune) bool { return r <= ' ' || r >= 0x7f }

// writeRedirect sends a page for clients that do not know the convention.
func writeRedirect(m *menu, url string) error {
	_, err := fmt.Fprintf(m.w, redirectPage, html.EscapeString(url))
	return err
}

const redirectPage = `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="5; url=%[1]s">
<title>A link out of Gopher</title>
</head>
<body>
<p>This link leads out of Gopher, to <a href="%[1]s" rel="noreferrer">%[1]s</a></p>
</body>
</html>
`
