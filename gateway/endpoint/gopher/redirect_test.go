package gopher

import (
	"strings"
	"testing"
)

func TestRedirect(t *testing.T) {
	s := newServer(t, map[string]string{"a.txt": "x"})
	for _, selector := range []string{"URL:https://example.org/?a=1&b=\"'<script>", "/URL:https://example.org/?a=1&b=\"'<script>"} {
		got := ask(t, s, friend, selector+"\r\n")
		const escaped = "https://example.org/?a=1&amp;b=&#34;&#39;&lt;script&gt;"
		if strings.Count(got, escaped) != 3 || strings.Contains(got, "<script") || !strings.HasSuffix(got, "</html>\n") {
			t.Errorf("page for %q:\n%s", selector, got)
		}
	}
	for _, selector := range []string{
		"URL:javascript:alert(1)", "URL:JavaScript:alert(1)", "URL:data:text/html,x", "URL:file:///etc/passwd", "URL: https://example.org/",
		"URL:https://example.org/a b", "URL:https://example.org/\x1b", "URL:", "URL:example.org", "url:https://example.org/",
		"/x/URL:https://example.org/",
	} {
		if got := ask(t, s, friend, selector+"\r\n"); got != notFound {
			t.Errorf("page for %q:\n%s", selector, got)
		}
	}
}
