package serve

import (
	"context"

	"tunic/gateway/link"
	"tunic/gateway/sample"
)

// takeSample takes a profile of this process.
func takeSample(ctx context.Context, q link.Sampling) ([]byte, error) {
	return sample.Take(ctx, sample.Kind(q.Kind), q.For)
}
