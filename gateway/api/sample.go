package api

import "context"

// Sampler is the part that takes profiles of the daemon's processes (package sample).
type Sampler interface {
	// Sample returns when the profile is taken.
	Sample(ctx context.Context, r SampleRequest) (Sample, error)
}

// SampleRequest asks for a profile of one process.
type SampleRequest struct {
	Process string `json:"process"` // "parent", "serve"
	Kind    string `json:"kind"`    // "cpu", "heap", "goroutines"
	Seconds int    `json:"seconds"` // how long to look; no matter to goroutines
}

// Sample is a profile.
type Sample struct {
	Profile []byte `json:"profile"` // profile.proto, compressed by gzip
}

// Sample has a profile taken, which takes as long as is asked for.
func (c *Client) Sample(ctx context.Context, r SampleRequest) (Sample, error) {
	return ask(ctx, c, verbSample, r)
}
