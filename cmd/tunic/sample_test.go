package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/sample"
)

// sampled is serve, which says what it was asked.
type sampled struct {
	asked []link.Sampling
	err   error
}

func (s *sampled) Sample(_ context.Context, q link.Sampling) ([]byte, error) {
	s.asked = append(s.asked, q)
	return []byte("of serve"), s.err
}

// Each process is asked for its own profile, and nothing that there is none of gets there.
func TestSampler(t *testing.T) {
	s := new(sampled)
	ask := api.SampleRequest{Process: "serve", Kind: "cpu", Seconds: 5}
	got, err := sampler{s}.Sample(t.Context(), ask)
	if err != nil || string(got.Profile) != "of serve" || len(s.asked) != 1 ||
		s.asked[0] != (link.Sampling{Kind: "cpu", For: 5 * time.Second}) {
		t.Errorf("%q, %v; asked %v", got.Profile, err, s.asked)
	}
	got, err = sampler{s}.Sample(t.Context(), api.SampleRequest{Process: "parent", Kind: "goroutines", Seconds: 5})
	if err != nil || len(got.Profile) == 0 || len(s.asked) != 1 {
		t.Errorf("of the parent: %d bytes, %v; asked %v", len(got.Profile), err, s.asked)
	}
	for _, wrong := range []api.SampleRequest{{Process: "tor", Kind: "cpu", Seconds: 5}, {Process: "serve", Kind: "x", Seconds: 5},
		{Process: "serve", Kind: "cpu"}, {Process: "serve", Kind: "cpu", Seconds: 121}, {Process: "parent", Kind: "cpu", Seconds: -1}} {
		_, err := sampler{s}.Sample(t.Context(), wrong)
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage || len(s.asked) != 1 {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	s.err = link.ErrBusy
	if _, err := (sampler{s}).Sample(t.Context(), ask); !errors.Is(err, sample.ErrBusy) {
		t.Errorf("while another is taken: %v", err)
	}
}

// Who may write where the file is to be, and puts another directory in its place meanwhile, has
// nothing removed in that one after a failure.
func TestSampleRemovesItsOwnFile(t *testing.T) {
	base := t.TempDir()
	place, moved, other := filepath.Join(base, "place"), filepath.Join(base, "moved"), filepath.Join(base, "other")
	a := &app{root: filepath.Join(base, "root"), out: io.Discard}
	for _, dir := range []string{place, other, filepath.Dir(a.paths().API())} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	kept := filepath.Join(other, "a.pprof")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", a.paths().API())
	if err != nil {
		t.Fatal(err)
	}
	daemon := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := errors.Join(os.Rename(place, moved), os.Symlink(other, place)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusInternalServerError)
	})}
	defer daemon.Close()
	go daemon.Serve(ln)
	err = a.sample(t.Context(), api.SampleRequest{Process: "serve", Kind: "cpu", Seconds: 1}, filepath.Join(place, "a.pprof"))
	if err == nil {
		t.Error("nothing has failed")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("another file was removed: %v", err)
	}
	if left, err := os.ReadDir(moved); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
