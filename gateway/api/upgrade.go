package api

import (
	"context"
	"time"
)

// Upgraded is how a daemon was replaced by another version.
type Upgraded struct {
	From    string        `json:"from"`
	To      string        `json:"to"`
	Streams int           `json:"streams"` // that go on through the old version until they end
	Took    time.Duration `json:"took"`
}

// Upgrade replaces the daemon by the version that is installed.
func (c *Client) Upgrade(ctx context.Context) (Upgraded, error) {
	return ask(ctx, c, verbUpgrade, struct{}{})
}
