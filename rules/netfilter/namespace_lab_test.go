//go:build lab

package netfilter

import (
	"errors"
	"testing"
)

// A call from a thread that is not in the namespace of New changes nothing.
func TestAnotherNamespaceIsRefused(t *testing.T) {
	gw, other := newNode(t, "here"), newNode(t, "there")
	k := gw.kernel()
	set := compile(t, household())
	var err error
	other.do(func() { err = k.Apply(t.Context(), set) })
	if !errors.Is(err, ErrNamespace) {
		t.Errorf("Apply from another namespace: %v", err)
	}
	gw.apply(k, set)
	for id, l := range other.state(other.kernel()) {
		if own := l.own(); len(own) > 0 {
			t.Errorf("%v there has %v", id, own)
		}
	}
}
