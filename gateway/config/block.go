package config

import (
	"net/url"
	"path/filepath"
	"strings"
)

// maxBlockLists is more than anybody reads about; each is looked for once a day.
const maxBlockLists = 32

// readBlock reads where the lists of names are that do not exist in this house.
func readBlock(t *table, d *DNS) {
	n, _ := t.texts("block", func(path, text string) { d.Block = addOnce(t, path, d.Block, text, checkBlockList(text)) })
	if n > maxBlockLists {
		t.add("block", problemf("leave some out; many lists hold the same names", "%d lists, and %d are the most", n, maxBlockLists))
	}
}

func checkBlockList(text string) *problem {
	const hint = `write a path like "/etc/tunic/block/ads.txt" or a URL like "https://lists.example/hosts.txt"`
	if strings.HasPrefix(text, "/") {
		if filepath.Clean(text) != text {
			return problemf("write "+filepath.Clean(text), "%q is not the shortest form of that path", text)
		}
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return problemf(hint, "%q is neither a path from / nor a URL", text)
	}
	if why := RefuseListURL(u); why != "" {
		return problemf(hint, "%q: %s", u.Redacted(), why)
	}
	return nil
}

// RefuseListURL says in words why a block list is not fetched from a URL, or leads to
// one; "": it may be. It has to be a place that Tor leads to, and nobody on the way
// may change what comes.
func RefuseListURL(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	onion := strings.HasSuffix(host, ".onion")
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "only https:// is fetched, and http:// of an onion"
	case u.Scheme == "http" && !onion:
		return "http:// is for onions alone: an exit could read and change the list"
	case u.User != nil:
		return "a name and a password in a URL are not sent"
	case onion:
		return ""
	}
	if _, p := parsePublicDomain(host, ""); p != nil || strings.Trim(host[strings.LastIndex(host, ".")+1:], "0123456789") == "" {
		return "its server has no name on the internet"
	}
	return ""
}
