package metrics

import (
	"context"
	"sync"
	"time"

	"tunic/gateway/api"
)

// Age is how old the numbers may be that somebody gets.
const Age = time.Second

// Cache keeps the numbers for a moment: whoever asks without an end costs the daemon
// no more than one status a second. The zero value is empty.
type Cache struct {
	mu   sync.Mutex
	made time.Time
	text []byte
}

// Text is that of the status now, or of one that is not older than Age. The caller
// does not change it.
func (c *Cache) Text(ctx context.Context, status func(context.Context) api.Status) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text != nil && time.Since(c.made) < Age {
		return c.text
	}
	text := Text(status(ctx))
	if ctx.Err() == nil { // else parts of it may be missing
		c.made, c.text = time.Now(), text
	}
	return text
}
