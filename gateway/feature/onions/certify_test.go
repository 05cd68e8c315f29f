package onions

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/onion"
)

// The daemon makes the certificates of an onion that has a directory, leaves them,
// renews them in time, and says what is in its way.
func TestTheDaemonKeepsCertificates(t *testing.T) {
	p, dir, now := config.NewPaths(t.TempDir()), t.TempDir(), time.Now()
	ring, owner := new(onion.Keyring), feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	f := New(nil, Parts{Paths: p, Owner: owner, Log: slog.New(slog.DiscardHandler),
		Ring: func() Round { return ring.Round() }})
	read := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, anchor.BothFile))
		return string(b)
	}
	look := func(o config.Onion, at time.Time) []health.Finding {
		s := &feature.Scene{Config: &config.Config{Onions: []config.Onion{o}}, Paths: p, Certain: at}
		var r feature.Report
		f.look(s, &r)
		if s.Addresses["photos"] == "" {
			t.Fatalf("the onion is not published: %v", r.Findings)
		}
		return r.Findings
	}
	photos := config.Onion{Name: "photos", Certificates: dir}
	if found := look(photos, time.Time{}); len(found) != 1 || found[0].Code != health.ClockUntrusted || read() != "" {
		t.Errorf("without the time: %v", found)
	}
	var last string
	for _, tc := range []struct {
		at      time.Duration
		renewed bool
	}{{0, true}, {time.Hour, false}, {59 * 24 * time.Hour, false}, {61 * 24 * time.Hour, true}, {62 * 24 * time.Hour, false}} {
		found := look(photos, now.Add(tc.at))
		if len(found) > 0 || (read() != last) != tc.renewed || read() == "" {
			t.Errorf("after %v: %v, renewed %v", tc.at, found, read() != last)
		}
		last = read()
	}
	address, err := onion.ParseName(onion.Hostname(p.OnionKeys("photos")))
	if got, _ := os.ReadFile(filepath.Join(dir, anchor.AnchorFile)); err != nil || string(got) != anchor.PEM(address) {
		t.Errorf("the anchor is of another onion: %v", err)
	}
	photos.Certificates = dir + "/nowhere"
	found := look(photos, now)
	if len(found) != 1 || found[0].Code != health.OnionCertificate || !strings.HasPrefix(found[0].Text, "the onion photos: ") ||
		!strings.Contains(found[0].Text, dir+"/nowhere: ") || !strings.Contains(found[0].Text, "make the directory") {
		t.Errorf("without the directory: %v", found)
	}
}
