package household

import (
	"strings"
	"testing"
	"time"
)

func TestCleartextFindings(t *testing.T) {
	now := time.Now()
	if got := cleartextFindings(map[uint16]time.Time{110: now, 23: now.Add(-time.Hour), 143: now.Add(-25 * time.Hour)},
		now); len(got) != 1 || !strings.HasSuffix(got[0].Text, "port 23, 110") {
		t.Errorf("%+v", got)
	}
	if got := cleartextFindings(nil, now); got != nil {
		t.Errorf("%+v", got)
	}
}
