//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/internal/bench"
	"tunic/internal/proc"
)

// soakPage is the variable with the page into which the table of the soak goes; without it
// there is none.
const soakPage = "TUNIC_SOAK_PAGE"

// Between these lines of the page the table stands.
const (
	soakBegin = "<!-- soak: `make soak` writes what follows -->\n"
	soakEnd   = "<!-- end of the soak -->\n"
)

// By how much the end may be above the second fifth.
var (
	// What a process has for itself, no file's pages: what is held shows in it. Between two collections
	// Go's heap has half as much again of what lives, or as much again: one or two MB.
	goMemory = bench.Bound{Percent: 5, Beside: 0.75}
	// Pages of the program and of libraries, which the kernel may drop at any time: each process's part of
	// them, which is another one when a process that shares them comes or goes.
	filePages = bench.Bound{Percent: 10, Beside: 1}
	// tor begins from nothing after each kill. How many circuits it has then, and what its
	// allocator keeps of them, differs from time to time by more than ten MB.
	torMemory = bench.Bound{Percent: 15, Beside: 8}
	// Connections that are under way at the moment: at most as many as there are hands.
	descriptors = bench.Bound{Percent: 10, Beside: 20}
	// Go makes a thread when one waits in the kernel, and ends none: there are as many as waited
	// at one time so far, which some rare moment can make more.
	threads = bench.Bound{Beside: 4}
	// The kernel remembers what has ended for two minutes (nf_conntrack_tcp_timeout_time_wait):
	// as much as was done in them, which is less while tor is away.
	entries = bench.Bound{Percent: 15, Beside: 100}
	// Archives of chat and logs of mailboxes hold what was said: some 12 kB a minute.
	disk = bench.Bound{Percent: 5, Beside: 1}
)

// watched is what was seen of the box.
type watched struct {
	series []*bench.Series
	by     map[string]*bench.Series
	pids   map[string]int // of those who must not end
	state  string         // the directory of the state
}

func (s *soak) watched() *watched {
	all := &watched{by: make(map[string]*bench.Series), pids: make(map[string]int),
		state: config.NewPaths(s.lab.Root("gateway")).State}
	add := func(name, unit string, bound bench.Bound) {
		one := &bench.Series{Name: name, Unit: unit, Bound: bound}
		all.series, all.by[name] = append(all.series, one), one
	}
	add("own memory of the parent", "MB", goMemory)
	add("own memory of serve", "MB", goMemory)
	add("own memory of tor", "MB", torMemory)
	add("files' pages in the parent", "MB", filePages)
	add("files' pages in serve", "MB", filePages)
	add("files' pages in tor", "MB", filePages)
	add("descriptors of the parent", "", descriptors)
	add("descriptors of serve", "", descriptors)
	add("descriptors of tor", "", descriptors)
	add("threads of the parent", "", threads)
	add("threads of serve", "", threads)
	add("entries of conntrack", "", entries)
	add("the state on the disk", "MB", disk)
	return all
}

// boxProcesses are the words by which each process of a box is found.
var boxProcesses = map[string][]string{"the parent": {"tunic", "run"}, "serve": {"tunic", "serve"}, "tor": {"tor", "--defaults-torrc"}}

// look measures once. A tor that was just killed is not there to be measured.
func (all *watched) look(w *world, at time.Duration) {
	w.Helper()
	put := func(name string, value float64) {
		one := all.by[name]
		one.Points = append(one.Points, bench.Point{Count: at.Minutes(), Value: value})
	}
	for name, words := range boxProcesses {
		pids := w.pids(words...)
		if name != "tor" && (len(pids) != 1 || all.pids[name] != 0 && all.pids[name] != pids[0]) {
			w.Fatalf("after %v the processes of %s are %v: it was %d", at.Round(time.Second), name, pids, all.pids[name])
		}
		if len(pids) != 1 {
			continue
		}
		all.pids[name] = pids[0]
		open, err := proc.Files(pids[0])
		own, whole := float64(proc.Own(pids[0]))/(1<<20), float64(proc.PSS(pids[0]))/(1<<20)
		if err != nil || own == 0 || whole == 0 {
			continue // it has just ended
		}
		put("own memory of "+name, own)
		put("files' pages in "+name, whole-own)
		put("descriptors of "+name, float64(open))
		if name != "tor" {
			put("threads of "+name, float64(proc.Number(pids[0], "status", "Threads")))
		}
	}
	n, err := strconv.Atoi(w.must("gateway", "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))
	if err != nil {
		w.Fatal(err)
	}
	put("entries of conntrack", float64(n))
	put("the state on the disk", w.onDisk(all.state))
}

// onDisk is how many MB the files of a directory take, in blocks. The journal of the mail's spool, which grows by 4 kB for
// each mail until it begins again at 4 MB, is not among them.
func (w *world) onDisk(dir string) float64 {
	w.Helper()
	sum := int64(0)
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was there a moment ago
		}
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && d.Name() != "journal" {
			sum += info.Sys().(*syscall.Stat_t).Blocks * 512 // stat(2)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return float64(sum) / (1 << 20)
}

// judge fails where something has grown, and draws and writes what was seen where nothing
// has.
func (all *watched) judge(w *world) {
	w.Helper()
	end := soakTime().Minutes()
	var table strings.Builder
	fmt.Fprintf(&table, "\n%.0f minutes:\n\n", end)
	table.WriteString("| | least | second fifth, median | last fifth, median | may be | most |\n|---|---|---|---|---|---|\n")
	for _, one := range all.series {
		v, err := one.Judge(end)
		if err != nil {
			w.Error(err)
			continue
		}
		name, digits := one.Name, 0
		if one.Unit != "" {
			name, digits = name+", "+one.Unit, 1
		}
		fmt.Fprintf(&table, "| %s |", name)
		for _, value := range []float64{one.Least(), v.Before, v.After, v.Most, one.Peak()} {
			fmt.Fprintf(&table, " %.*f |", digits, value)
		}
		table.WriteString("\n")
		if !v.Flat {
			w.Errorf("%s: %.1f at the end, %.1f before; it may be %.1f: %v", name, v.After, v.Before, v.Most, one.Points)
		}
	}
	w.Logf("%s", table.String())
	if w.Failed() {
		return
	}
	all.draw(w, end)
	page := os.Getenv(soakPage)
	if page == "" {
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		w.Fatal(err)
	}
	replaced, err := bench.ReplaceBetween(string(text), soakBegin, soakEnd, table.String()+"\n")
	if err == nil {
		err = os.WriteFile(page, []byte(replaced), 0o644)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// draw makes two pictures: of MB, and of numbers.
func (all *watched) draw(w *world, end float64) {
	w.Helper()
	curves := func(names ...string) (list []bench.Curve) {
		for _, name := range names {
			short := strings.NewReplacer("own memory of ", "", "descriptors of ", "", "entries of ", "").Replace(name)
			list = append(list, bench.Curve{Name: short, Points: all.by[name].Points})
		}
		return list
	}
	bench.DrawTime(w, "soak", "A house in use: what each process has for itself, and the state on the disk", "MB", end,
		curves("own memory of the parent", "own memory of serve", "own memory of tor", "the state on the disk"))
	bench.DrawTime(w, "soak-counts", "A house in use: open descriptors, and entries of conntrack", "", end,
		curves("descriptors of the parent", "descriptors of serve", "descriptors of tor", "entries of conntrack"))
}
