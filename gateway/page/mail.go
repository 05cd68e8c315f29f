package page

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"tunic/gateway/api"
)

// mailView is the mail on its way, and the servers for mail and chat.
type mailView struct {
	api.Post
	Size   int64     // of all, in bytes
	Oldest time.Time // when the first of them came
}

func showMail(v visit) (any, error) {
	p, err := look[api.Post](v, "mail")
	m := mailView{Post: p}
	for _, l := range p.Letters {
		m.Size += l.Size
		if m.Oldest.IsZero() || l.Arrived.Before(m.Oldest) {
			m.Oldest = l.Arrived
		}
	}
	return m, err
}

func flushOf(url.Values) (any, error) { return api.MailRequest{}, nil }

func dropOf(f url.Values) (any, error) { return api.MailRequest{ID: f.Get("id")}, ticked(f) }

// Size is a number of bytes as people say it.
func (v view) Size(n int64) string {
	text := fmt.Sprintf("%d kB", (n+999)/1000)
	if n >= 1_000_000 {
		text = fmt.Sprintf("%.1f MB", float64(n)/1_000_000)
	}
	if v.Lang == "de" {
		text = strings.ReplaceAll(text, ".", ",")
	}
	return text
}
