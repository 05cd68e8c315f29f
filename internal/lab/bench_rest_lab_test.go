//go:build lab

package lab

import (
	"context"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/internal/proc"
)

// BenchmarkRest measures a box in which nothing happens, in houses of several
// sizes, and how long verbs take there. Friends are boxes that are away: nobody
// has their onions. TUNIC_REST are the houses, "DEVICES/ONIONS/FRIENDS ...";
// TUNIC_REST_LEGACY=1 has tunic use iptables-legacy. It prints a table for
// docs/benchmarks.md.
func BenchmarkRest(b *testing.B) {
	prepare := []func(*testing.B, string){buildTunic}
	if os.Getenv("TUNIC_REST_LEGACY") != "" {
		prepare = append(prepare, legacyIn)
	}
	ctx, l := measured(b, 25*time.Minute, Options{ID: "rest", Daemons: []string{"gateway"}}, prepare...)
	for _, words := range strings.Fields(os.Getenv("TUNIC_REST")) {
		var s houseSize
		if _, err := fmt.Sscanf(words, "%d/%d/%d", &s.devices, &s.onions, &s.friends); err != nil {
			b.Fatalf("TUNIC_REST: %q: %v", words, err)
		}
		r := restful{b, ctx, l, s}
		r.furnish()
		fmt.Printf("%v: reload %v\n", s, r.verb("reload").Round(time.Millisecond))
		r.row("right after", 5*time.Second, 15*time.Second)
		r.verbs()
		r.row("at rest", 40*time.Second, 60*time.Second)
	}
	b.ReportMetric(0, "ns/op")
}

// legacyIn makes the programs of iptables in a directory those of the old backend.
func legacyIn(b *testing.B, dir string) {
	b.Helper()
	path, err := exec.LookPath("xtables-legacy-multi")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, end := range []string{"", "-save", "-restore"} {
			if err := os.Symlink(path, filepath.Join(dir, name+end)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// houseSize is how much there is in a house.
type houseSize struct{ devices, onions, friends int }

func (s houseSize) String() string {
	return fmt.Sprintf("%d devices, %d onions, %d friends away", s.devices, s.onions, s.friends)
}

// restful is one house of a size.
type restful struct {
	*testing.B
	ctx  context.Context
	lab  *Lab
	size houseSize
}

// furnish writes the house's files, and removes those of the house before.
func (r restful) furnish() {
	r.Helper()
	p := config.NewPaths(r.lab.Root("gateway"))
	files := make(map[string]string)
	for i := range r.size.devices {
		files[fmt.Sprintf("devices/rest%d.toml", i)] = fmt.Sprintf("mac = \"02:00:00:01:%02x:%02x\"\npolicy = \"onion\"\n", i>>8, i&0xff)
	}
	for i := range r.size.onions {
		files[fmt.Sprintf("onions/rest%d.toml", i)] = fmt.Sprintf("[ports]\n80 = %q\n", NASOnionTarget)
	}
	for i := range r.size.friends {
		files[fmt.Sprintf("peers/rest%d.toml", i)] = fmt.Sprintf("onion = %q\nclient = %q\n", awayOnion(i), awayClient(i))
	}
	for _, dir := range []string{"devices", "onions", "peers"} {
		old, err := filepath.Glob(filepath.Join(p.Etc, dir, "rest*.toml"))
		if err != nil {
			r.Fatal(err)
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				r.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(p.Etc, dir), 0o755); err != nil {
			r.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.Etc, name), []byte(text), 0o644); err != nil {
			r.Fatal(err)
		}
	}
}

// awayOnion is an onion that nobody has, the same in each run.
func awayOnion(i int) onion.Address {
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(i)+7)
	return onion.FromPublicKey(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

func awayClient(i int) string {
	key := make([]byte, 32)
	binary.BigEndian.PutUint64(key, uint64(i)+77)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)
}

// verb runs a verb and returns how long that took.
func (r restful) verb(words ...string) time.Duration {
	r.Helper()
	begin := time.Now()
	got, err := r.lab.Exec(r.ctx, "gateway", append([]string{"tunic"}, words...)...)
	if err != nil {
		r.Fatal(err)
	}
	if got.Code != 0 && words[0] != "check" { // which finds that friends are away
		r.Logf("tunic %v: status %d: %s%s", words, got.Code, got.Stdout, got.Stderr)
	}
	return time.Since(begin)
}

// verbs adds how long verbs take, the median of some.
func (r restful) verbs() {
	r.Helper()
	took := r.timed(3, "status", "check", "peers", "plan", "publish restless 80="+NASOnionTarget, "unpublish restless")
	fmt.Printf("| %s | verbs, ms |", r.size)
	for _, name := range slices.Sorted(maps.Keys(took)) {
		fmt.Printf(" %s %.0f |", name, median(took[name]))
	}
	fmt.Println()
}

// timed runs verbs in turns, and returns how long each took, in milliseconds, by its first
// word.
func (r restful) timed(rounds int, verbs ...string) map[string][]float64 {
	r.Helper()
	took := make(map[string][]float64)
	for range rounds {
		for _, words := range verbs {
			fields := strings.Fields(words)
			took[fields[0]] = append(took[fields[0]], r.verb(fields...).Seconds()*1000)
		}
	}
	return took
}

// used is what a process has used so far.
type used struct {
	ms    float64 // of processor time
	child float64 // of its children that have ended
	woken int     // how often its threads were
}

// row adds what the processes of the box use in a second, over some time that
// begins after a while, and their memory at its end. It returns the processor's
// time of the parent and serve together, in ms a second, and how often they were woken in one.
func (r restful) row(when string, wait, span time.Duration) (ms, wakes float64) {
	r.Helper()
	time.Sleep(wait)
	pids := r.pids()
	before, begin := make(map[string]used), time.Now()
	for name, pid := range pids {
		before[name] = r.usedBy(pid)
	}
	time.Sleep(span)
	seconds := time.Since(begin).Seconds()
	fmt.Printf("| %s | %s |", r.size, when)
	for _, name := range []string{"run", "serve", "tor"} {
		pid := pids[name]
		a, b := before[name], r.usedBy(pid)
		fmt.Printf(" %s %.1f+%.1f ms/s, %.1f wakes/s, PSS %.1f MB |", name, (b.ms-a.ms)/seconds, (b.child-a.child)/seconds,
			float64(b.woken-a.woken)/seconds, float64(proc.PSS(pid))/(1<<20))
		if name != "tor" {
			ms += (b.ms - a.ms + b.child - a.child) / seconds
			wakes += float64(b.woken-a.woken) / seconds
		}
	}
	fmt.Println()
	return ms, wakes
}

// pids finds the processes of the gateway.
func (r restful) pids() map[string]int {
	r.Helper()
	n, err := r.lab.Plan().Node("gateway")
	if err != nil {
		r.Fatal(err)
	}
	found := make(map[string]int)
	list := mustExec(r, r.ctx, r.lab, SwitchNode, "ip", "netns", "pids", n.Namespace)
	for field := range strings.FieldsSeq(list) {
		line, err := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
		if err != nil {
			continue
		}
		argv := strings.Split(string(line), "\x00")
		name := filepath.Base(argv[0])
		if name == "tunic" && len(argv) > 1 {
			name = argv[1]
		}
		if found[name], err = strconv.Atoi(field); err != nil {
			r.Fatal(err)
		}
	}
	for _, name := range []string{"run", "serve", "tor"} {
		if found[name] == 0 {
			r.Fatalf("%s does not run: %v", name, found)
		}
	}
	return found
}

// usedBy reads what a process has used so far.
func (r restful) usedBy(pid int) used {
	r.Helper()
	s, err := proc.ReadStat(pid)
	if err != nil {
		r.Fatal(err)
	}
	return used{s.Own.Seconds() * 1000, s.Reaped.Seconds() * 1000, int(proc.Woken(pid))}
}
