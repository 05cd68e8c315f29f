package block

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
)

// TestWant: what is wanted is another thing when a file has changed.
func TestWant(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ads.txt")
	s := feature.Scene{Paths: config.NewPaths(dir), Config: &config.Config{
		DNS:     config.DNS{Block: []string{file, "https://lists.example/h"}},
		Devices: []config.Device{{MAC: "02:00:00:00:00:10", Unblocked: true}, {MAC: "02:00:00:00:00:11"}},
	}}
	want := func() *link.Block {
		var d feature.Desired
		var r feature.Report
		Feature{}.Look(t.Context(), &s, &r).Add(s, &d)
		if len(r.Findings) > 0 {
			t.Errorf("%+v", r.Findings)
		}
		return d.Serve.DNS.Block
	}
	none := want()
	if len(none.Lists) != 2 || none.Lists[0].Version != "" || !reflect.DeepEqual(none.Except, []string{"02:00:00:00:00:10"}) {
		t.Errorf("%+v", none)
	}
	if info, err := os.Stat(s.Paths.Blocks()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory for copies: %v %v", info, err)
	}
	os.WriteFile(file, []byte("ads.example\n"), 0o644)
	if one := want(); reflect.DeepEqual(one, none) || !reflect.DeepEqual(one, want()) {
		t.Errorf("%+v after %+v", one, none)
	}
	s.Config.DNS.Block = nil
	if b := want(); b != nil {
		t.Errorf("without lists: %+v", b)
	}
}

func TestFindings(t *testing.T) {
	s := feature.Scene{Served: link.Status{Block: []link.BlockStatus{
		{Source: "https://a.example/", Error: "it took too long", Names: 7, From: time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)},
		{Source: "/b", Error: "the file is not there"}, {Source: "/c", Names: 1}}}}
	status := api.Status{State: api.Open}
	Feature{}.Report(t.Context(), s, &status)
	if f := status.Findings; len(f) != 2 || !strings.Contains(f[0].Text, "its copy of 29 November, 20:00 UTC stays") ||
		!strings.Contains(f[1].Text, "it blocks nothing") || f[1].Subject != "/b" {
		t.Errorf("%+v", status.Findings)
	}
	status = api.Status{State: api.Closed}
	if (Feature{}).Report(t.Context(), s, &status); len(status.Findings) != 0 {
		t.Errorf("while the household is closed: %+v", status.Findings)
	}
}
