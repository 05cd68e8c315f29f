//go:build machines

package machines

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is what docs/machines.md tells.
type report struct {
	rows     []row
	measured []figure
}

type row struct {
	scenario, release string
	took              time.Duration
	leaked            int // -1: the household is outside tunic meanwhile
}

type figure struct{ what, release, value string }

func (r *report) add(scenario string, release Release, took time.Duration, leaked int) {
	r.rows = append(r.rows, row{scenario, release.Codename, took, leaked})
}

func (r *report) figure(what string, release Release, value string) {
	r.measured = append(r.measured, figure{what, release.Codename, value})
}

// units are what systemd-analyze judges, with the most that each may have.
var units = []struct {
	name string
	most float64
}{
	// 0.5 of it are the namespaces of commands for friends, which its children cannot make, and 0.2 a
	// PrivateTmp= that would have no bound.
	{"tunic.service", 3.7},
	{"tunic-lockdown.service", 3.0},
}

// processes have their memory measured: a name, and what pgrep finds them by.
var processes = []struct{ name, user, line string }{
	{"tunic run", "root", "tunic run"},
	{"tunic serve", "tunic", "serve"},
	{"tor", "tunic-tor", "tor"},
	{"Dovecot", "tunic-mail", "dovecot"},
	{"Prosody", "tunic-xmpp", "prosody"},
	{"ngIRCd", "tunic-irc", "ngircd"},
}

// figures measures a machine that is on and has had nothing to do for a moment.
func (r *report) figures(w *world) {
	w.Helper()
	w.powerOff()
	begin := time.Now()
	w.boot()
	w.booted()
	r.figure("start to systemd's \"running\", s", w.release, fmt.Sprintf("%.1f", time.Since(begin).Seconds()))
	w.protected()
	r.figure("start to a device's first page through Tor, s", w.release, fmt.Sprintf("%.1f", time.Since(begin).Seconds()))
	for _, server := range []func(*world){imapLogin, xmppLogin, ircLogin} {
		server(w)
	}
	for _, p := range processes {
		r.figure("memory of "+p.name+", MB PSS", w.release, w.memory(p.user, p.line))
	}
	for _, unit := range units {
		r.figure("`systemd-analyze security` of "+unit.name, w.release, w.exposure(unit.name, unit.most))
	}
}

var pss = regexp.MustCompile(`(?m)^Pss:\s+(\d+) kB`)

// memory is what the processes of a user take, shared pages counted once.
func (w *world) memory(user, line string) string {
	w.Helper()
	total := 0
	for _, pid := range strings.Fields(w.exec(box, "pgrep", "-u", user, "-f", line).Stdout) {
		for _, m := range pss.FindAllStringSubmatch(w.exec(box, "cat", "/proc/"+pid+"/smaps_rollup").Stdout, -1) {
			kb, _ := strconv.Atoi(m[1])
			total += kb
		}
	}
	if total == 0 {
		w.Errorf("no process %q of %s takes any memory", line, user)
	}
	return fmt.Sprintf("%.1f", float64(total)/1024)
}

var overall = regexp.MustCompile(`(?m)^.*Overall exposure level for \S+: ([0-9.]+)`)

func (w *world) exposure(unit string, most float64) string {
	w.Helper()
	out := w.must(box, "systemd-analyze", "security", "--no-pager", unit)
	m := overall.FindStringSubmatch(out)
	if m == nil {
		w.Fatalf("systemd-analyze says nothing of %s:\n%s", unit, out)
	}
	if value, _ := strconv.ParseFloat(m[1], 64); value > most {
		w.Errorf("%s has an exposure of %s, more than %.1f", unit, m[1], most)
	}
	return m[1]
}

// page is the whole document.
func (r *report) page() string {
	var b strings.Builder
	b.WriteString(heading)
	b.WriteString("| what happens | " + columns(func(rel Release) string { return rel.Name + ", s | leaked" }) + " |\n|---|" +
		strings.Repeat("---:|---:|", len(Releases)) + "\n")
	for _, s := range scenarios {
		cells := columns(func(rel Release) string {
			i := slices.IndexFunc(r.rows, func(x row) bool { return x.scenario == s.name && x.release == rel.Codename })
			if i < 0 {
				return "failed | "
			}
			return fmt.Sprintf("%.1f | %s", r.rows[i].took.Seconds(), leaks(r.rows[i].leaked))
		})
		fmt.Fprintf(&b, "| %s | %s |\n", s.name, cells)
	}
	b.WriteString(figuresHeading)
	b.WriteString("| figure | " + columns(func(rel Release) string { return rel.Name }) + " |\n|---|" +
		strings.Repeat("---:|", len(Releases)) + "\n")
	var names []string
	for _, f := range r.measured {
		if !slices.Contains(names, f.what) {
			names = append(names, f.what)
		}
	}
	for _, name := range names {
		fmt.Fprintf(&b, "| %s | %s |\n", name, columns(func(rel Release) string {
			i := slices.IndexFunc(r.measured, func(f figure) bool { return f.what == name && f.release == rel.Codename })
			if i < 0 {
				return ""
			}
			return r.measured[i].value
		}))
	}
	b.WriteString(processesHeading + processTable() + reasons)
	return b.String()
}

func columns(cell func(Release) string) string {
	var cells []string
	for _, r := range Releases {
		cells = append(cells, cell(r))
	}
	return strings.Join(cells, " | ")
}

func leaks(n int) string {
	if n < 0 {
		return "outside"
	}
	return strconv.Itoa(n)
}
