package api

import (
	"strings"
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{"2d": 48 * time.Hour, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "0s": 0,
		"-1m": -time.Minute, "65535d": 65535 * day} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "2", "d", "-1d", "1.5d", "65536d", "soon", "2 d"} {
		if got, err := ParseSpan(text); err == nil || !strings.Contains(err.Error(), "like 2d") ||
			strings.Contains(err.Error(), "strconv") {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 30 * day: "30d", 36 * time.Hour: "36h", 90 * time.Minute: "90m",
		-time.Hour: "-1h", 1500 * time.Millisecond: "1.5s"} {
		if got := SpanWords(d); got != want {
			t.Errorf("%v is %q, not %q", time.Duration(d), got, want)
		}
	}
	if err := CheckSpan(1000*time.Hour, 30*day); err == nil || err.Error() != "1000h is not between 1s and 30d" {
		t.Error(err)
	}
	if CheckSpan(0, day) == nil || CheckSpan(day, day) != nil {
		t.Error("the ends are wrong")
	}
}
