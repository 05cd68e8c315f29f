package main

import (
	"time"

	"tunic/gateway/api"
)

const day = 24 * time.Hour

// span is the value of each flag that takes a length of time: 2d, 12h, 90m.
type span time.Duration

// Set implements pflag.Value.
func (s *span) Set(text string) error {
	d, err := api.ParseSpan(text)
	if err == nil {
		*s = span(d)
	}
	return err
}

// String implements pflag.Value.
func (s *span) String() string {
	if *s == 0 {
		return "" // the help then names no default
	}
	return api.SpanWords(time.Duration(*s))
}

// Type implements pflag.Value; the help shows it.
func (*span) Type() string { return "time" }
