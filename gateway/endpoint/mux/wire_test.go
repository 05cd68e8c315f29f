package mux

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// Who asks can tell a service that is not there, which is useless to ask for again, from
// one that does not work now.
func TestAskRefused(t *testing.T) {
	for answer, none := range map[string]bool{"-" + ErrNone.Error(): true, "-this service does not work now": false} {
		err := Ask(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(answer + "\r\n"), new(bytes.Buffer)}, "drop")
		if !errors.Is(err, ErrRefused) || errors.Is(err, ErrNone) != none {
			t.Errorf("%q: %v", answer, err)
		}
	}
}
