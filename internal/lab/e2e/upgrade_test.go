//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/internal/lab"
	"tunic/internal/lab/load"
)

// testUpgrade replaces the daemon by others while the phone downloads, asks for names
// and opens connections, and a visitor talks to an onion: nothing is cut, nothing
// waits, nothing leaks, and tor never notices. Versions that do not work are put back.
func testUpgrade(w *world) {
	w.ready()
	address := w.publish("upgraded", fmt.Sprintf("%d=192.168.77.20:%d", lab.NASEchoPort, lab.NASEchoPort))
	defer func() { w.must("gateway", "tunic", "unpublish", "upgraded", "--forget-key", "--yes") }()
	w.ready()
	visitor := w.toOnion(address, lab.NASEchoPort)
	defer visitor.Close()
	wan := w.wan.MustMark(w)
	ctx, stop := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	page := w.download(web4 + ":80")
	defer page.Conn.Close()
	group.Go(func() { page.Run(ctx) })
	group.Go(func() { w.talks(ctx, visitor) })
	group.Go(func() { w.knock(ctx) })
	group.Go(func() { w.asks(ctx) })
	group.Go(func() { w.spray(ctx) })
	w.pause(time.Second)

	tors := w.pids("tor")
	w.upgrades()
	w.putsBack()
	w.upgrades()
	if now := w.pids("tor"); !slices.Equal(now, tors) {
		w.Errorf("tor was process %d and is %d", tors, now)
	}
	w.pause(time.Second)
	stop()
	group.Wait()
	if page.Err != nil || page.Bytes < 10*load.Step {
		w.Errorf("the download ended after %d bytes: %v", page.Bytes, page.Err)
	}
	w.pause(settle)
	if leaked := w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter("gateway")); len(leaked) > 0 {
		w.Errorf("%d packets leaked: %s", len(leaked), leaked[0])
	}
	w.arrives()
}

// upgrades replaces the daemon by the same program.
func (w *world) upgrades() {
	w.Helper()
	before, serves := w.pids("tunic", "run"), w.pids("tunic", "serve")
	begin := time.Now()
	var done api.Upgraded
	if err := json.Unmarshal([]byte(w.must("gateway", "tunic", "upgrade", "--json")), &done); err != nil {
		w.Fatal(err)
	}
	w.timed("an upgrade", time.Since(begin))
	w.Logf("%+v", done)
	w.eventually("the daemon before has ended", 30*time.Second, func() bool {
		now := w.pids("tunic", "run")
		return len(now) == 1 && !slices.Equal(now, before)
	})
	if !slices.Contains(w.pids("tunic", "serve"), serves[0]) {
		w.Errorf("the stream of the onion has gone: serves were %d, %+v", serves, done)
	}
	w.ready()
}

// putsBack has versions installed that do not work.
func (w *world) putsBack() {
	w.Helper()
	path := w.lab.Tool("tunic")
	kept := path + ".kept"
	good, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	w.install(kept, good)
	defer os.Remove(kept)
	defer func() { w.install(path, good) }()
	bad := map[string]string{"ends": "exit 3", "is killed": "kill -9 $$", "talks nonsense": "echo nonsense >&3; exec sleep 600"}
	if os.Getenv("TUNIC_LONG") != "" {
		bad["hangs"] = "exec sleep 600"
	}
	for name, script := range bad {
		before := w.pids("tunic", "run")
		w.install(path, []byte("#!/bin/sh\n"+script+"\n"))
		begin := time.Now()
		if r := w.exec("gateway", kept, "upgrade"); r.Code != 1 {
			w.Errorf("a version that %s: upgrade ended with status %d: %s%s", name, r.Code, r.Stdout, r.Stderr)
		} else {
			w.Logf("a version that %s: %v: %s", name, time.Since(begin), r.Stderr)
		}
		if now := w.pids("tunic", "run"); !slices.Equal(now, before) {
			w.Errorf("a version that %s: the daemon was %d and is %d", name, before, now)
		}
		if left := w.pids("sleep", "600"); len(left) > 0 {
			w.Errorf("a version that %s is still there: %d", name, left)
		}
	}
}

// install puts a program in the place of another, as a package does.
func (w *world) install(path string, program []byte) {
	w.Helper()
	if err := os.WriteFile(path+".new", program, 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.Fatal(err)
	}
}

// talks has a word come back several times a second.
func (w *world) talks(ctx context.Context, c net.Conn) {
	if times, err := load.Hold(ctx, 100*time.Millisecond, func() error { return load.Talk(c) }); err != nil {
		w.Errorf("the visitor's stream, after %d answers: %v", times, err)
	}
}

// asks asks for a name 20 times a second, and tells how long the slowest answer took.
func (w *world) asks(ctx context.Context) {
	w.Helper()
	w.waited("answer of the resolver", load.Again(ctx, 50*time.Millisecond, func(int) error {
		_, err := load.Ask(w.ctx, w.phone, box4, "web.example", 2*time.Second)
		return err
	}))
}
