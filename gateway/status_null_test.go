package gateway

import (
	"encoding/json"
	"strings"
	"testing"
)

// A list that has nothing in it is an empty list for programs, not null.
func TestStatusOfNoExceptionsIsAList(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	raw, err := json.Marshal(h.Gateway.Status(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{`"exceptions":[]`, `"servers":[]`} {
		if !strings.Contains(string(raw), list) {
			t.Errorf("no %s in %s", list, raw)
		}
	}
}
