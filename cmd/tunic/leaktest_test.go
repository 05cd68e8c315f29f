package main

import (
	"context"
	"io"
	"testing"
)

func TestInterruptedLeaktest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := leaktestError(ctx, io.EOF); err.Error() != "testing for leaks: EOF" {
		t.Error(err)
	}
	cancel()
	if f := explain(leaktestError(ctx, io.EOF)); f.Error() != "interrupted; nothing of the test is left" || f.code != exitFailed {
		t.Error(f)
	}
	if f := explain(context.Canceled); f.Error() != "interrupted" {
		t.Error(f)
	}
}
