package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseSpan reads a length of time as people write it: "30d", or what Go takes
// ("12h", "90m", "1h30m"). The error says how to write one.
func ParseSpan(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		if count, err := strconv.ParseUint(n, 10, 16); err == nil {
			return time.Duration(count) * day, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no length of time: write it like 2d, 12h or 90m", text)
}

// SpanWords is a length of time in the largest unit that leaves no rest:
// "30d", "2h", "90m", "5s".
func SpanWords(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d != 0 && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return d.String()
}

// CheckSpan refuses a length of time that is none, or longer than limit.
func CheckSpan(d, limit time.Duration) error {
	if d <= 0 || d > limit {
		return fmt.Errorf("%s is not between 1s and %s", SpanWords(d), SpanWords(limit))
	}
	return nil
}
