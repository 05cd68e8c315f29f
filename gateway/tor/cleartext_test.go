package tor

import (
	"testing"
	"time"
)

func TestDangerousPort(t *testing.T) {
	tr := &tracker{changed: func() {}, told: func() {}}
	for _, line := range []string{
		"STATUS_CLIENT NOTICE DANGEROUS_PORT PORT=110 RESULT=WARN", "STATUS_CLIENT WARN DANGEROUS_PORT PORT=23 RESULT=REJECT",
		"STATUS_CLIENT NOTICE DANGEROUS_PORT", "STATUS_CLIENT NOTICE DANGEROUS_PORT PORT=x",
		"STATUS_CLIENT NOTICE DANGEROUS_PORT PORT=70000", "STATUS_CLIENT NOTICE DANGEROUS_PORT PORT=0",
	} {
		tr.event(line)
	}
	got := tr.snapshot().Cleartext
	if len(got) != 2 || time.Since(got[110]) > time.Minute || time.Since(got[23]) > time.Minute {
		t.Errorf("%v", got)
	}
	got[1] = time.Now() // a copy
	if len(tr.snapshot().Cleartext) != 2 {
		t.Error("the status is not its reader's own")
	}
}
