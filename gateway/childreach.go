package gateway

import (
	"context"
	"errors"
	"time"

	"tunic/gateway/link"
)

// reachTimeout is more than two attempts to call an onion take at the most.
const reachTimeout = 150 * time.Second

// Reach has serve find out whether an onion can be reached.
func (c *Child) Reach(ctx context.Context, onion string, call bool) (link.Reached, error) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return link.Reached{}, errAway
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	answer, err := c.await(ctx, conn, func(id uint64) link.Message { return link.Reach{ID: id, Onion: onion, Call: call} })
	for _, text := range answer.Errors {
		err = errors.Join(err, errors.New(text))
	}
	return answer.Reached, err
}
