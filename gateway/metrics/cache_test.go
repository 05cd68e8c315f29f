package metrics

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/api"
)

// Ten thousand questions in three seconds cost three statuses, and one that was
// interrupted is nobody else's.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		status := func(context.Context) api.Status { asked++; return api.Status{Version: strings.Repeat("x", asked)} }
		var c Cache
		gone, end := context.WithCancel(t.Context())
		end()
		c.Text(gone, status)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 1000 {
					c.Text(t.Context(), status)
					time.Sleep(2900 * time.Microsecond)
				}
			})
		}
		all.Wait()
		if asked != 4 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(Age)
		if text := string(c.Text(t.Context(), status)); !strings.Contains(text, `"xxxxx"`) {
			t.Errorf("it is too old: %s", text)
		}
	})
}
