package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// described is what `git describe --tags --always --dirty` says: a tag, how many
// commits after it and which; or a commit alone where there is no tag.
var described = regexp.MustCompile(`^(?:v?([0-9][0-9.]*)(?:-((?:alpha|beta|rc)[0-9.]*))?` +
	`(?:-([0-9]+)-(g[0-9a-f]+))?|([0-9a-f]{7,40}))(-dirty)?$`)

// digits are a number that is no tag of anybody's: such a one has dots.
var digits = regexp.MustCompile(`^[0-9]{7,}$`)

// debianVersion turns the version of a program, as git describes it, into one of
// Debian's that sorts (deb-version(7)): what has no tag is before all that has,
// by the time of the commit; a candidate is before its version; what came after a
// tag is between it and the next.
func debianVersion(version string, committed time.Time) (string, error) {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("no version for a package can be made of %q: tag the commit v1.2.3, or set VERSION to such a number", version)
	}
	number, candidate, commits, commit, bare, dirty := m[1], m[2], m[3], m[4], m[5], m[6]
	if digits.MatchString(number) && commits == "" { // a commit too can be without a letter
		number, bare = "", number
	}
	if bare != "" {
		number = "0~git" + committed.UTC().Format("20060102150405") + "." + bare
	}
	if candidate != "" {
		number += "~" + candidate
	}
	if commits != "" {
		number += "+" + commits + "." + commit
	}
	return number + strings.Replace(dirty, "-", "+", 1), nil
}

// changelog is the text of deb-changelog(5) for a package that has one entry:
// what has changed is told in CHANGELOG.md, for all ways to install.
func changelog(version string, committed time.Time, maintainer string) string {
	const entry = "tunic (%s) unstable; urgency=medium\n\n  * What has changed is in CHANGELOG.md.gz beside this file.\n\n -- %s  %s\n"
	return fmt.Sprintf(entry, version, maintainer, committed.UTC().Format(time.RFC1123Z))
}
