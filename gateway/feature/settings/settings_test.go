package settings

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
)

const main = `# the box's
[household]
interfaces = ["br-lan"] # mine

[gateway]
inbound = ["tcp/22"]

[dns]
block = ["/etc/tunic/block/own.txt"]

[[bypass]]
domains = ["game.example"]
`

// host is a reconciler that has nothing to reconcile, with the transaction of verbs.
type host struct {
	feature.Host
	paths config.Paths
	now   *config.Config
	fail  error // of the pass
}

func (h *host) Now() feature.Now { return feature.Now{Scene: feature.Scene{Config: h.now}} }

func (h *host) Do(ctx context.Context, f func(context.Context) error) error { return f(ctx) }

func (h *host) Changes(context.Context, *config.Config) ([]string, error) {
	return []string{"+ a rule"}, nil
}

func (h *host) Edit(_ context.Context, e feature.Edit) error {
	kept, err := durable.Keep(e.Files...)
	if err != nil {
		return err
	}
	was := h.now
	if err = e.Write(); err == nil {
		h.now, err = config.Load(h.paths)
	}
	if err = errors.Join(err, h.fail); err == nil {
		kept.Release()
		return e.Finish()
	}
	h.now = was
	return errors.Join(err, kept.PutBack(), e.Undo())
}

func furnished(t *testing.T) (*Feature, *host) {
	t.Helper()
	p := config.NewPaths(t.TempDir())
	for path, text := range map[string]string{p.Main(): main, filepath.Join(p.EndpointDir(), "smtp.toml"): "# ours\n",
		p.DeviceFile("tv"): "mac = \"02:00:00:00:00:10\"\n", filepath.Join(p.Run, "x"): "", filepath.Join(p.State, "x"): ""} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(p)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{paths: p, now: c}
	return New(h, p, slog.New(slog.NewTextHandler(io.Discard, nil))), h
}

// tree is the text of all files of a configuration.
func tree(t *testing.T, p config.Paths) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(p.Etc, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, p.Etc+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// everything changes all that there is to change.
func everything(f *Feature) api.SettingsRequest {
	r := of(f.host.Now().Config)
	r.Policy, r.Metrics, r.On = "block", "loopback", []string{"irc"}
	r.Block = append([]string{"https://lists.example/hosts.txt"}, r.Block...)
	r.Bypasses = []api.SettingsBypass{{To: "bank.example", Devices: []string{"tv"}}}
	return r
}

// A plan says everything and changes nothing; what is applied and confirmed stays.
func TestPlanApplyConfirm(t *testing.T) {
	f, h := furnished(t)
	before := tree(t, h.paths)
	r := everything(f)
	plan, err := f.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, c := range plan.Changes {
		what = append(what, strings.TrimSpace(c.What+" "+c.To+" "+strings.Join(c.Devices, " ")))
	}
	want := "policy block, server.on irc, server.off smtp, bypass.add bank.example tv, bypass.remove game.example, " +
		"block.add https://lists.example/hosts.txt, metrics loopback"
	if got := strings.Join(what, ", "); got != want || len(plan.Detail) != 1 {
		t.Errorf("%s\nwant %s", got, want)
	}
	if !reflect.DeepEqual(tree(t, h.paths), before) {
		t.Error("a plan has changed something")
	}
	if err := f.Apply(t.Context(), "ann", r); err != nil {
		t.Fatal(err)
	}
	s, err := f.Settings(t.Context())
	if err != nil || s.Trial == nil || s.Trial.By != "ann" || s.Policy != "block" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := f.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := tree(t, h.paths)
	if _, ok := after["endpoints/smtp.toml"]; ok || after["endpoints/smtp.toml.off"] != "# ours\n" ||
		!strings.Contains(after["tunic.toml"], "interfaces = [\"br-lan\"] # mine") || h.now.Household.DefaultPolicy != "block" {
		t.Errorf("%q", after)
	}
	if s, _ := f.Settings(t.Context()); s.Trial != nil || f.Confirm(t.Context()) == nil || f.TakeBack(t.Context()) == nil {
		t.Error("what is confirmed waits")
	}
	back := of(h.now)
	back.On = []string{"smtp"}
	if err := f.Apply(t.Context(), "ann", back); err != nil || tree(t, h.paths)["endpoints/smtp.toml"] != "# ours\n" {
		t.Errorf("switched on again it is another: %v", err)
	}
}

// Whatever happens before the confirmation, the earlier files come back, byte for byte:
// by hand, when the time is up, and at the next start of a daemon that was killed.
func TestTakenBack(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *Feature){
		"by hand": func(t *testing.T, f *Feature) {
			if err := f.TakeBack(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"in time": func(t *testing.T, f *Feature) {
			ctx, cancel := context.WithCancel(t.Context())
			go f.Run(ctx)
			time.Sleep(confirmWithin - time.Second)
			synctest.Wait()
			if !f.trial.Get().on() {
				t.Error("it is taken back early")
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			cancel()
			synctest.Wait()
		},
		"by the heir": func(t *testing.T, f *Feature) {
			heir := New(f.host, f.paths, f.log)
			ctx, cancel := context.WithCancel(t.Context())
			go heir.Run(ctx)
			time.Sleep(confirmWithin + time.Second)
			synctest.Wait()
			cancel()
			synctest.Wait()
		},
		"after a kill": func(_ *testing.T, f *Feature) { TakeBackAtStart(f.paths, f.log) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, h := furnished(t)
				before := tree(t, h.paths)
				if err := f.Apply(t.Context(), "ann", everything(f)); err != nil {
					t.Fatal(err)
				}
				if reflect.DeepEqual(tree(t, h.paths), before) {
					t.Fatal("nothing was applied")
				}
				end(t, f)
				if after := tree(t, h.paths); !reflect.DeepEqual(after, before) {
					t.Errorf("%q\nwas %q", after, before)
				}
				if _, err := os.Stat(f.trial.Path()); err == nil {
					t.Error("the trial goes on")
				}
			})
		})
	}
}

// A second admin cannot bury what the first one has not confirmed.
func TestTwoAdmins(t *testing.T) {
	f, h := furnished(t)
	before := tree(t, h.paths)
	if err := f.Apply(t.Context(), "ann", everything(f)); err != nil {
		t.Fatal(err)
	}
	second := of(h.now)
	second.Policy = "direct"
	err := f.Apply(t.Context(), "bob", second)
	if err == nil || !strings.Contains(err.Error(), "ann has changed settings") || h.now.Household.DefaultPolicy != "block" {
		t.Errorf("%v, %s", err, h.now.Household.DefaultPolicy)
	}
	if err := f.TakeBack(t.Context()); err != nil || !reflect.DeepEqual(tree(t, h.paths), before) {
		t.Errorf("the first one's are not taken back: %v", err)
	}
	stale := everything(f)
	stale.Of = second.Of
	if err := f.Apply(t.Context(), "bob", stale); err == nil || !strings.Contains(err.Error(), "has changed since") {
		t.Errorf("of another configuration: %v", err)
	}
}

// What fails to be applied is not there, and does not wait.
func TestApplyFails(t *testing.T) {
	f, h := furnished(t)
	before := tree(t, h.paths)
	h.fail = errors.New("tor refuses it")
	if err := f.Apply(t.Context(), "ann", everything(f)); err == nil {
		t.Error("it is applied")
	}
	if !reflect.DeepEqual(tree(t, h.paths), before) || f.trial.Get().on() {
		t.Error("something is left of it")
	}
	if _, err := os.Stat(f.trial.Path()); err == nil {
		t.Error("the next start would take something back")
	}
}

// What somebody writes into a file during a trial is kept beside it.
func TestEditedMeanwhile(t *testing.T) {
	f, h := furnished(t)
	if err := f.Apply(t.Context(), "ann", everything(f)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.paths.Main(), []byte("# by hand\n"+main), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.TakeBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := tree(t, h.paths)
	if after["tunic.toml"] != main || after["tunic.toml.undone"] != "# by hand\n"+main {
		t.Errorf("%q", after)
	}
}

// What the owner writes and has not put in force yet does not come into force from the page.
func TestPendingFiles(t *testing.T) {
	f, h := furnished(t)
	r := everything(f)
	if err := os.WriteFile(h.paths.Main(), []byte(strings.Replace(main, "tcp/22", "udp/51820", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := f.Plan(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "not in force yet: tunic.toml") {
		t.Errorf("plan: %v", err)
	}
	if err := f.Apply(t.Context(), "ann", r); err == nil {
		t.Error("it is applied")
	}
}

// Values that are none are refused in words, with the places that their owner knows.
func TestMistakes(t *testing.T) {
	f, h := furnished(t)
	before := tree(t, h.paths)
	for name, c := range map[string]struct {
		change func(*api.SettingsRequest)
		want   string
	}{
		"nothing":            {func(*api.SettingsRequest) {}, "in force already"},
		"no policy":          {func(r *api.SettingsRequest) { r.Policy = "everything" }, h.paths.Main()},
		"a lock in a policy": {func(r *api.SettingsRequest) { r.Policy = "tor\"\ninbound = [\"tcp/1\"]\n#" }, ""},
		"no metrics":         {func(r *api.SettingsRequest) { r.Metrics = "internet" }, "metrics"},
		"no device": {func(r *api.SettingsRequest) {
			r.Bypasses = append(r.Bypasses, api.SettingsBypass{To: "bank.example", Devices: []string{"pc"}})
		}, `no device called "pc"`},
		"everything outside Tor": {func(r *api.SettingsRequest) {
			r.Bypasses = append(r.Bypasses, api.SettingsBypass{To: "0.0.0.0/0"})
		}, ""},
		"a domain with an end": {func(r *api.SettingsRequest) {
			r.Bypasses = append(r.Bypasses, api.SettingsBypass{To: "bank.example\"]\n[gateway]\ninbound=[\"tcp/1"})
		}, ""},
		"a file as a list": {func(r *api.SettingsRequest) { r.Block = append(r.Block, "/etc/shadow") }, "named as a block list on the box"},
		"a list with an end": {func(r *api.SettingsRequest) {
			r.Block = append(r.Block, "https://lists.example/\"]\n[gateway]\ninbound = [\"tcp/1\"]\n#")
		}, ""},
		"gopher without a directory": {func(r *api.SettingsRequest) { r.On = append(r.On, "gopher") }, "gopher needs a directory"},
	} {
		r := of(h.now)
		c.change(&r)
		_, err := f.Plan(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "settings-") {
			t.Errorf("%s, plan: %v", name, err)
		}
		if err := f.Apply(t.Context(), "ann", r); err == nil {
			t.Errorf("%s is applied", name)
		}
		if !reflect.DeepEqual(tree(t, h.paths), before) {
			t.Errorf("%s has changed something", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(h.paths.Run, "settings-*")); len(left) > 0 {
		t.Errorf("copies are left: %q", left)
	}
}
