package link

import "time"

// Sampling asks serve for a profile of itself (package sample).
type Sampling struct {
	Kind string        // "cpu", "heap", "goroutines"
	For  time.Duration // how long to look
}
