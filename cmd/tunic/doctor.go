package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
)

// diagnosis is one line of the doctor's.
type diagnosis struct {
	Area   string `json:"area"`  // "configuration", "network", "tor", ...
	State  string `json:"state"` // "ok", "warning", "fail"
	Text   string `json:"text"`
	Action string `json:"action,omitempty"`
}

// States of a diagnosis.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFail    = "fail"
)

// doctorLimit bounds all checks together; they run beside each other.
const doctorLimit = 58 * time.Second

// doctorSite is a page that is there as long as there is a Tor network.
const doctorSite = "https://www.torproject.org/"

func doctorCommand(a *app) *cobra.Command {
	var asJSON bool
	site := doctorSite
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything, deeper than the status does, and say what to do",
		Long: `Doctor looks at the configuration, the interfaces and the way to the internet, Tor and
why it hangs, bridges one by one, the clock, whether a page opens through Tor, who
else gives addresses in the household, disks, onions and their targets, friends and
certificates. It changes nothing, and takes a minute at most. Without a daemon it
looks at what can be seen without one.

Each line is ok, a warning, or fails, with what to do. The exit status is 3 if one
fails. To see whether a page opens it asks an exit of the Tor network for --site.`,
		Example: `  tunic doctor
  tunic doctor --site https://www.debian.org/
  tunic doctor --json | jq '.[] | select(.state != "ok")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.uid != 0 {
				return &failure{exitFailed, errors.New("only root may look everywhere"), asRoot}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorLimit)
			defer cancel()
			done := a.waiting("looking")
			list := (&doctor{app: a, site: site}).look(ctx)
			done()
			if cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
			return a.showDiagnoses(list, asJSON)
		},
	}
	c.Flags().StringVar(&site, "site", site, "the page that is opened through Tor")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// showDiagnoses prints the lines, and fails if one does.
func (a *app) showDiagnoses(list []diagnosis, asJSON bool) error {
	count := map[string]int{}
	area := ""
	for _, d := range list {
		count[d.State]++
		if asJSON {
			continue
		}
		if d.Area != area {
			area = d.Area
			a.printf("%s\n", strings.ToUpper(area[:1])+area[1:])
		}
		text := strings.TrimLeft(wrapped(oneLine(d.Text), a.width(), column), " ")
		a.print(fmt.Sprintf("  %-8s%s\n", stateNames[d.State], text))
		if d.Action != "" {
			a.print(wrapped(oneLine(d.Action), a.width(), column) + "\n")
		}
	}
	if asJSON {
		if err := a.json(list); err != nil {
			return err
		}
	}
	if n := count[stateFail]; n > 0 {
		err := fmt.Errorf("%d of %d checks failed", n, len(list))
		return &failure{exitNotReady, err, "begin with the first: the others may follow from it"}
	}
	if !asJSON {
		a.printf("%d checks, %d warnings, nothing failed\n", len(list), count[stateWarning])
	}
	return nil
}

// column is where the texts of all lines begin.
const column = "          "

var stateNames = map[string]string{stateOK: "ok", stateWarning: "WARNING", stateFail: "FAIL"}

// doctor collects what its checks find.
type doctor struct {
	*app
	site   string
	config *config.Config // nil: it cannot be read
	status *api.Status    // nil: no daemon answers
	told   map[health.Code]bool
}

// look runs all checks; the slow ones beside each other.
func (d *doctor) look(ctx context.Context) (list []diagnosis) {
	d.told = make(map[health.Code]bool)
	list = append(list, d.files(ctx)...)
	list = append(list, d.daemon(ctx)...)
	slow := []func(context.Context) []diagnosis{d.cable, d.page, d.onions, d.friends}
	found := make([][]diagnosis, len(slow))
	var all sync.WaitGroup
	for i, check := range slow {
		all.Go(func() { found[i] = check(ctx) })
	}
	for _, check := range []func(context.Context) []diagnosis{d.network, d.tor, d.bridges, d.clock} {
		list = append(list, check(ctx)...)
	}
	quick := append(d.disks(), d.certificates(time.Now())...)
	all.Wait()
	for _, f := range found {
		list = append(list, f...)
	}
	return append(append(list, quick...), d.others()...)
}

// fine, warning and fail make a line each.
func fine(area, format string, args ...any) diagnosis {
	return diagnosis{area, stateOK, fmt.Sprintf(format, args...), ""}
}

func warning(area, action, format string, args ...any) diagnosis {
	return diagnosis{area, stateWarning, health.Words(fmt.Sprintf(format, args...)), action}
}

func fail(area, action, format string, args ...any) diagnosis {
	return diagnosis{area, stateFail, health.Words(fmt.Sprintf(format, args...)), action}
}

// ofFinding makes a line of a finding; one that is for information is no warning.
func ofFinding(area string, f health.Finding) diagnosis {
	state := map[health.Severity]string{health.Error: stateFail, health.Warning: stateWarning, health.Info: stateOK}[f.Severity]
	return diagnosis{area, state, f.Text, f.Action}
}

// findings are the daemon's with one of these codes, which are then told.
func (d *doctor) findings(area string, codes ...health.Code) (list []diagnosis) {
	for _, code := range codes {
		d.told[code] = true
	}
	if d.status == nil {
		return nil
	}
	for _, f := range d.status.Findings {
		for _, code := range codes {
			if f.Code == code {
				list = append(list, ofFinding(area, f))
			}
		}
	}
	return list
}

// others are the daemon's findings that belong to no check.
func (d *doctor) others() (list []diagnosis) {
	if d.status == nil {
		return nil
	}
	for _, f := range d.status.Findings {
		if !d.told[f.Code] {
			list = append(list, ofFinding("other", f))
		}
	}
	return list
}
