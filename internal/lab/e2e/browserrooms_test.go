//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/gateway/health"
)

// settings: what a plan shows is what applying changes; what is confirmed stays, and what
// is not can be taken back.
func (h *houses) settings(w *world) {
	ann, main := h.ann.in(w), w.paths().Main()
	before, err := os.ReadFile(main)
	if err != nil {
		w.Fatal(err)
	}
	h.parent.Cleanup(func() {
		h.parent.write(main, string(before))
		h.parent.must("gateway", "tunic", "reload")
	})
	has := func(value string) bool {
		text, err := os.ReadFile(main)
		return err == nil && strings.Contains(string(text), `metrics = "`+value+`"`)
	}
	plan := func(value, words string, keys bool) {
		ann.send(words, map[string]any{"who": "ann", "url": "/settings", "action": "/do/settings/plan", "keys": keys,
			"fields": map[string]string{"metrics": value}})
		if has(value) {
			w.Errorf("a plan has changed the file")
		}
		ann.send("The settings are in force.", map[string]any{"who": "ann", "action": "/do/settings/apply", "keys": keys})
		if !has(value) {
			w.Errorf("%s is not in the file", value)
		}
	}
	plan("loopback", "programs on the box", false)
	w.finds(health.SettingsTrial, "ann has changed settings")
	ann.survey(pageRoom{name: "settings-trial", who: "ann", url: "/settings"}, filepath.Join(h.homeA, "pictures"))
	ann.send("the new settings stay", map[string]any{"who": "ann", "action": "/do/settings/confirm"})
	plan("household", "every device of the household", true)
	ann.send("The earlier settings are in force again.", map[string]any{"who": "ann", "action": "/do/settings/back", "keys": true})
	if !has("loopback") {
		w.Error("what was confirmed is not there any more")
	}
	ann.onlyTheBox("box.home.arpa")
}

// leakRoom: the page says that nothing leaks, and at what moment, and that by itself again.
func (h *houses) leakRoom(w *world) {
	ann := h.ann.in(w)
	p := ann.open("ann", "/leaks")
	if !strings.Contains(p.Text, "nothing leaks.") || !strings.Contains(p.Text, "QUIC (UDP 443)") {
		w.Errorf("%+v", p)
	}
	w.eventually("the page has looked again by itself", 30*time.Second, func() bool {
		now := ann.see("look", map[string]any{"who": "ann"})
		return now.Text != p.Text && strings.Contains(now.Text, "nothing leaks.")
	})
	if p := ann.see("send", map[string]any{"who": "ann", "action": "/leaks", "keys": true}); !strings.Contains(p.Text, "nothing leaks.") {
		w.Errorf("%+v", p)
	}
	ann.onlyTheBox("box.home.arpa")
}

// reportRoom: what can be copied is what `tunic report` prints, and has nobody's name in
// it; the log is beside it.
func (h *houses) reportRoom(w *world) {
	ann := h.ann.in(w)
	p := ann.open("ann", "/report")
	var report, log string
	ann.ask("value", map[string]any{"who": "ann", "selector": "main textarea"}, &report)
	ann.ask("value", map[string]any{"who": "ann", "selector": "main pre"}, &log)
	first, _, _ := strings.Cut(w.must("gateway", "tunic", "report"), "\n")
	if !strings.Contains(report, "default policy: tor") || !strings.Contains(report, first) || !strings.Contains(log, "level=INFO") {
		w.Errorf("%+v\n%s\n%s", p, report, log)
	}
	for _, word := range []string{"ann", "bea", "laptop", "photos", "192.168.", ".onion", "02:00:"} {
		for line := range strings.Lines(report) {
			if strings.Contains(strings.ReplaceAll(line, "channel", ""), word) {
				w.Errorf("%q is in the report: %s", word, line)
			}
		}
	}
}

// whyRoom: the page explains a connection of a device's.
func (h *houses) whyRoom(w *world) {
	ann := h.ann.in(w)
	for protocol, want := range map[string]string{"tcp": "Goes through the box.", "udp": "Is refused."} {
		p := ann.send(want, map[string]any{"who": "ann", "url": "/devices", "action": "/do/why", "keys": protocol == "udp",
			"where": map[string]string{"device": laptopMAC}, "fields": map[string]string{"to": web4, "protocol": protocol}})
		if !strings.Contains(p.Alert, web4) || !strings.Contains(p.Alert, "rules on the way") {
			w.Errorf("%s: %s", protocol, p.Alert)
		}
	}
	ann.onlyTheBox("box.home.arpa")
}

// mailRoom: a mail to somebody whose box has no mail waits, and says why; an admin has it
// tried, looks at the page, and removes it.
func (h *houses) mailRoom(w *world) {
	smtp := filepath.Join(w.paths().EndpointDir(), "smtp.toml")
	w.write(smtp, "")
	w.must("gateway", "tunic", "reload")
	w.Cleanup(func() {
		w.remove(smtp)
		w.must("gateway", "tunic", "reload")
	})
	box := postBox{node: "gateway", laptop: "laptop", user: "ann", addr: "192.168.77.1"}
	w.eventually("the box takes mail", time.Minute, func() bool {
		c, err := w.submit(w.ctx, box)
		if err == nil {
			err = sendBy(c, "ann@box.home.arpa", "bea@bea.peer.home.arpa", "From: ann@box.home.arpa\r\nSubject: hello\r\n\r\nx\r\n")
			c.Close()
		}
		return err == nil
	})
	w.eventually("the mail has a reason to wait", 2*time.Minute, func() bool {
		q := w.queue(box)
		return len(q) == 1 && len(q[0].Recipients) == 1 && q[0].Recipients[0].Reason != ""
	})
	ann, letter := h.ann.in(w), w.queue(box)[0]
	to := letter.Recipients[0]
	if p := ann.open("ann", "/mail"); !strings.Contains(p.Text, to.To) || !strings.Contains(p.Text, to.Reason) {
		w.Errorf("%+v", p)
	}
	ann.send("What waits is tried now.", map[string]any{"who": "ann", "action": "/do/mail/flush"})
	ann.survey(pageRoom{name: "mail", who: "ann", url: "/mail"}, filepath.Join(h.homeA, "pictures"))
	ann.send("The mail is removed.", map[string]any{"who": "ann", "url": "/mail", "action": "/do/mail/drop", "keys": true,
		"where": map[string]string{"id": letter.ID}, "fields": map[string]string{"sure": "yes"}})
	if q := w.queue(box); len(q) > 0 {
		w.Errorf("it is still there: %+v", q)
	}
	if p := ann.open("ann", "/mail"); !strings.Contains(p.Text, "No mail is waiting.") {
		w.Errorf("%+v", p)
	}
}
