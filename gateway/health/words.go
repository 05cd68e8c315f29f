package health

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// phrase is how Go, or the kernel through it, writes an error, and how a person would.
type phrase struct {
	from *regexp.Regexp
	to   string
}

// calls are the names of what was tried with a file, which package os puts before its
// path (fs.PathError).
const calls = `(?:open|stat|lstat|read|readdirent|readlink|write|sync|close|mkdir|chmod|chown|lchown|remove|unlink|rmdir|truncate|` +
	`openat|fstatat|readlinkat|mkdirat|unlinkat|statat|fchmodat|fchownat)`

// begins is what is before an error, or before the name of what it comes from: words like
// those of Go's stand in sentences of people, too.
const begins = `(^|[:;,(] |\(|\n)`

// Phrases of package net (net.OpError: OP NETWORK [SOURCE->]ADDRESS: CAUSE), os/exec and
// context, the longer ones first. ADDRESS holds colons of its own, and no spaces.
var phrases = sync.OnceValue(func() []phrase { // most verbs word no error
	return []phrase{
		{regexp.MustCompile(`(?:dial|read|write) (?:tcp|udp)[46]? (?:\S+->)?(\S+): (?:\w+: )?(?:i/o timeout|connection timed out)`),
			"$1 does not answer"},
		{regexp.MustCompile(`dial (?:tcp|udp)[46]? (?:\S+->)?(\S+): (?:\w+: )?connection refused`), "nothing listens at $1"},
		{regexp.MustCompile(`(?:dial|read|write) (?:tcp|udp)[46]? (?:\S+->)?(\S+): (?:\w+: )?no route to host`), "$1 is not there"},
		{regexp.MustCompile(`(?:dial|read|write) (?:tcp|udp)[46]? (?:\S+->)?(\S+): (?:\w+: )?network is unreachable`),
			"no network leads to $1"},
		{regexp.MustCompile(`(?:dial|read|write) (?:tcp|udp)[46]? (?:\S+->)?(\S+): (?:\w+: )?(?:connection reset by peer|broken pipe)`),
			"$1 has ended the connection"},
		{regexp.MustCompile(`dial (?:unix|unixgram) (\S+): connect: no such file or directory`), "there is no socket $1"},
		{regexp.MustCompile(`dial (?:unix|unixgram) (\S+): connect: connection refused`), "nobody listens at the socket $1"},
		{regexp.MustCompile(`listen \w+ (\S+): bind: address already in use`), "another program has $1"},
		{regexp.MustCompile(`listen \w+ (\S+): bind: cannot assign requested address`), "this box does not have the address of $1"},
		{regexp.MustCompile(`listen \w+ (\S+): bind: permission denied`), "tunic may not listen at $1"},
		{regexp.MustCompile(`\b(?:dial|read|write|listen|accept) (?:(?:tcp|udp|ip)[46]?|unix(?:gram|packet)?) (?:\S+->)?(\S+): (?:\w+: )?`),
			"$1: "},
		{regexp.MustCompile(`exec: "([^"]+)": executable file not found in \$PATH`), `the program "$1" is not on this box`},
		{regexp.MustCompile(`(?:fork/)?exec (\S+): no such file or directory`), "the program $1 is not on this box"},
		{regexp.MustCompile(`lookup (\S+?)(?: on \S+)?: (?:no such host|server misbehaving)`), "there is no address for $1"},
		{regexp.MustCompile(begins + `(?:rename|link|symlink|linkat|renameat) \S+ (/\S+): `), "$1$2: "},
		{regexp.MustCompile(begins + calls + ` (/\S+): no such file or directory`), "$1$2 is not there"},
		{regexp.MustCompile(begins + calls + ` (/\S+): input/output error`), "$1$2: the disk has errors"},
		{regexp.MustCompile(begins + calls + ` (/\S+): `), "$1$2: "},
		{regexp.MustCompile(`strconv\.\w+: parsing ("[^"]*"): (?:invalid syntax|value out of range)`), "$1 is no number that can be there"},
		{regexp.MustCompile(`\bunexpected end of JSON input|invalid character '[^']+' (?:looking for|after|in) [a-z -]+`), "it is damaged"},
		{regexp.MustCompile(`\bjson: cannot unmarshal .*? into Go .*?of type [^\s:;,]+`), "it is damaged"},
		{regexp.MustCompile(`\buse of closed network connection\b`), "the connection was closed"},
		{regexp.MustCompile(`(?:tls: failed to verify certificate: )?x509: certificate signed by unknown authority`),
			"its certificate is by nobody whom this box trusts"},
		{regexp.MustCompile(`(?:tls: failed to verify certificate: )?x509: certificate has expired or is not yet valid`),
			"its certificate has expired or is not valid yet"},
		{regexp.MustCompile(begins + `(?:tls: failed to verify certificate: )?x509: `), "${1}its certificate is not right: "},
		{regexp.MustCompile(`\bremote error: tls: `), "TLS: "},
		{regexp.MustCompile(`: tls: `), ": TLS: "}, // not at the beginning, where an onion may be called so
		{regexp.MustCompile(`\bcontext deadline exceeded\b`), "it took too long"},
		{regexp.MustCompile(`\bcontext canceled\b`), "it was called off"},
		{regexp.MustCompile(`\bi/o timeout\b`), "no answer in time"},
		{regexp.MustCompile(`: (?:unexpected )?EOF\b`), ": the other side has closed the connection"},
		{regexp.MustCompile(`\bexit status (\d+)`), "it ended with status $1"},
		{regexp.MustCompile(`\bsignal: killed\b`), "it was killed"},
		{regexp.MustCompile(`\bsignal: (\w+)`), "it was ended ($1)"},
	}
})

// fixed are parts of a text that stay as they are, whatever words they have: what is
// quoted, commands, addresses of pages, and paths, up to the mark after them.
var fixed = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `|\b[a-z][a-z0-9+.-]*://[^\s"]*[^\s":;,.)]|` +
	`(?:^|[\s("'=>:,\[])/[^\s">]*[^\s":;,.)'>-]`)

// A part that is fixed has the look of one while phrases are written: its marks, and
// between them a character that no text has, of Unicode's private ones.
const (
	firstPrivate = '\uE000'
	lastPrivate  = '\uF8FF'
)

var private = regexp.MustCompile(`[\x{E000}-\x{F8FF}]`)

// Words writes an error's text as a person would: findings are read by people who have
// never seen Go. What it does not know it leaves, and each path, and what is quoted.
func Words(text string) string {
	if known, ok := said.get(text); ok {
		return known
	}
	words := inWords(text)
	said.put(text, words)
	return words
}

// inWords is Words, without what it remembers.
func inWords(text string) string {
	if private.MatchString(text) {
		return text
	}
	var kept []string
	text = fixed.ReplaceAllStringFunc(text, func(part string) string {
		if firstPrivate+len(kept) > lastPrivate {
			return part
		}
		name := string(rune(firstPrivate + len(kept)))
		if mark := part[:1]; mark == `"` || mark == "`" {
			kept = append(kept, part[1:len(part)-1])
			return mark + name + mark
		}
		before, path, _ := strings.Cut(part, "/")
		kept = append(kept, path)
		return before + "/" + name
	})
	for _, p := range phrases() {
		text = p.from.ReplaceAllString(text, p.to)
	}
	return private.ReplaceAllStringFunc(text, func(name string) string {
		r, _ := utf8.DecodeRuneInString(name)
		return kept[r-firstPrivate]
	})
}

// said is what Words has answered last: the same findings are made in every pass, and
// looking for all phrases in each was a sixth of what a pass of a big house took.
var said memory

// maxSaid and maxSaidText bound the memory: how many texts, and how long one may be.
const (
	maxSaid     = 256
	maxSaidText = 512
)

// memory keeps some answers, and forgets all of them when there are too many.
type memory struct {
	mu      sync.Mutex
	answers map[string]string
}

func (m *memory) get(text string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	words, ok := m.answers[text]
	return words, ok
}

func (m *memory) put(text, words string) {
	if len(text) > maxSaidText {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers == nil || len(m.answers) >= maxSaid {
		m.answers = make(map[string]string)
	}
	m.answers[text] = words
}
