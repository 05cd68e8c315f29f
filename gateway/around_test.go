package gateway

import (
	"context"
	"strings"
	"testing"
	"time"
	"tunic/gateway/feature"
)

func (k fakeKernel) Around(context.Context, []string) (feature.Around, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.around, k.fail["around"]
}

func TestCleartextFindings(t *testing.T) {
	now := time.Now()
	if got := cleartextFindings(map[uint16]time.Time{110: now, 23: now.Add(-time.Hour), 143: now.Add(-25 * time.Hour)}, now); len(got) != 1 || !strings.HasSuffix(got[0].Text, "port 23, 110") {
		t.Errorf("%+v", got)
	}
	if got := cleartextFindings(nil, now); got != nil {
		t.Errorf("%+v", got)
	}
}
