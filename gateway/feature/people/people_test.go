package people

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// A look ends what a guest has no more and makes what serve needs; one that is
// foreseen sees who is there, and writes nothing.
func TestLook(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	store := account.Store{Dir: p.Accounts()}
	record, err := account.NewRecord("tall order of chips")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []account.User{{Name: "bob", Role: account.Admin, Record: record},
		{Name: "gus", Role: account.Guest, Record: record, Until: time.Now().Add(-time.Second)}} {
		if err := store.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	look := func(foreseen bool) (feature.Scene, feature.Desired) {
		s, r := feature.Scene{Paths: p, Foreseen: foreseen}, new(feature.Report)
		if !foreseen {
			s.Certain = time.Now()
		}
		var d feature.Desired
		New(nil).Look(t.Context(), &s, r).Add(s, &d)
		if len(r.Findings) > 0 {
			t.Errorf("found %+v", r.Findings)
		}
		return s, d
	}
	// No certificate can be had yet, which is no finding of a plan's.
	s := feature.Scene{Paths: p, Foreseen: true}
	New(nil).Look(t.Context(), &s, new(feature.Report))
	if kept, _ := filepath.Glob(p.CA() + "/*"); len(s.Users) != 2 || s.Authority != nil || len(kept) > 0 {
		t.Errorf("foreseen: %d users, %v, files %q", len(s.Users), s.Authority, kept)
	}
	if _, err := os.Stat(filepath.Join(p.Accounts(), "secret")); err == nil {
		t.Error("a look that is foreseen made a secret")
	}
	now, d := look(false)
	if len(now.Users) != 1 || len(d.Serve.Users.List) != 1 || d.Serve.Users.Secret == "" || d.Serve.TLS == nil {
		t.Errorf("users %+v, serve has %+v, TLS %v", now.Users, d.Serve.Users.List, d.Serve.TLS != nil)
	}
	if _, again := look(true); again.Serve.Users.Secret != d.Serve.Users.Secret || again.Serve.TLS == nil ||
		again.Serve.TLS.Cert != d.Serve.TLS.Cert {
		t.Error("a plan foresees something else than the pass has made")
	}
}
