package services

import (
	"io/fs"
	"os"
	"testing"
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
