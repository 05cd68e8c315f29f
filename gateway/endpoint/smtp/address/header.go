package address

import "strings"

// maxLine is where RewriteHeader folds a line: RFC 5322, section 2.1.1 allows
// 998 characters without the line end, and a folded list is easier to read.
const maxLine = 900

// RewriteHeader resolves the domain of every address in the value of a header
// field such as To, and leaves everything else as it is: names, comments,
// groups, folding. Text in quotes and in comments is nobody's address.
func (b Book) RewriteHeader(value string) (string, error) {
	var out strings.Builder
	s := scanner{text: value}
	for s.next() {
		if s.plain() && value[s.at] == '@' {
			end := s.at + 1
			for end < len(value) && (isDomainByte(value[end]) || value[end] == '.') {
				end++
			}
			domain := value[s.at+1 : end]
			trimmed := strings.TrimSuffix(domain, ".")
			resolved, err := b.Resolve(trimmed)
			if err != nil {
				return "", err
			}
			if strings.EqualFold(resolved, trimmed) {
				resolved = domain
			}
			out.WriteByte('@')
			out.WriteString(resolved)
			s.at = end - 1
			continue
		}
		out.WriteByte(value[s.at])
	}
	return fold(out.String()), nil
}

// fold breaks lines that are too long after the commas between addresses.
func fold(value string) string {
	if len(value) <= maxLine {
		return value
	}
	var out strings.Builder
	line, s := 0, scanner{text: value}
	for s.next() {
		c := value[s.at]
		out.WriteByte(c)
		line++
		if c == '\n' {
			line = 0
		}
		if c == ',' && s.plain() && line > maxLine/2 && s.at+1 < len(value) && value[s.at+1] == ' ' {
			out.WriteString("\r\n")
			line = 0
		}
	}
	return out.String()
}

// scanner walks over the bytes of a structured header field and knows what is
// text in quotes, in a comment or in a domain literal (RFC 5322, section 3.2).
type scanner struct {
	text     string
	started  bool
	at       int
	quoted   bool
	escaped  bool
	comments int
}

// next goes to the next byte.
func (s *scanner) next() bool {
	if s.started {
		s.leave(s.text[s.at])
		s.at++
	}
	s.started = true
	return s.at < len(s.text)
}

// plain reports whether the byte at s.at stands outside of quotes and comments.
func (s *scanner) plain() bool { return !s.quoted && s.comments == 0 }

// leave takes note of what the byte that is behind means for the next.
func (s *scanner) leave(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\' && !s.plain():
		s.escaped = true
	case c == '"' && s.comments == 0:
		s.quoted = !s.quoted
	case s.quoted:
	case c == '(':
		s.comments++
	case c == ')' && s.comments > 0:
		s.comments--
	}
}
