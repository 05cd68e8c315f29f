package api

import (
	"context"
	"testing"
)

func (f *fake) Sample(_ context.Context, r SampleRequest) (Sample, error) {
	f.asked = append(f.asked, r)
	return Sample{Profile: []byte{0x1f, 0x8b, 0}}, f.err
}

func TestSampleGoesThrough(t *testing.T) {
	f := &fake{}
	want := SampleRequest{Process: "serve", Kind: "cpu", Seconds: 30}
	if s, err := client(t, f).Sample(t.Context(), want); err != nil || string(s.Profile) != "\x1f\x8b\x00" ||
		len(f.asked) != 1 || f.asked[0] != want {
		t.Errorf("%q, %v; asked %v", s.Profile, err, f.asked)
	}
}
