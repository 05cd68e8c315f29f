// Package metrics says how the box is in the text format that Prometheus reads
// (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// ContentType is that of Text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text is the status in numbers. No device is in it by name or address, no
// destination and no friend; of onions there are the names that this house gave them.
func Text(s api.Status) []byte {
	var b exposition
	box(&b, s)
	tor(&b, s.Tor)
	household(&b, s.Household)
	onions(&b, s.Onions)
	for _, server := range s.Servers {
		b.gauge("tunic_server_up", "A server that tunic runs answers.", truth(server.Ready), "server", server.Name)
	}
	for _, server := range s.Servers {
		b.counter("tunic_server_restarts_total", "Times that it was started again.", float64(server.Restarts), "server", server.Name)
	}
	findings(&b, s.Findings)
	return b.Bytes()
}

func box(b *exposition, s api.Status) {
	b.gauge("tunic_info", "The version.", 1, "version", s.Version)
	b.gauge("tunic_start_time_seconds", "When the daemon started, in seconds of Unix.", float64(s.Since.Unix()))
	b.gauge("tunic_protected", "The household is on line, and protected; 0: nothing leaves the house.", truth(s.State == api.Open))
	b.gauge("tunic_ready", "All that is asked for has been done.", truth(s.Ready))
	b.gauge("tunic_second_wall", "Rules of routing policy hold what devices send when those of the packet filter are gone.",
		truth(s.Wall.Stands))
	b.gauge("tunic_clock_trusted", "The clock is right as far as the box knows.", truth(s.Clock.Trusted))
	b.gauge("tunic_exceptions", "What leaves outside Tor because the owner said so.", float64(len(s.Leaks)))
}

func tor(b *exposition, t api.Tor) {
	b.gauge("tunic_tor_info", "The version of tor.", 1, "version", t.Version)
	b.gauge("tunic_tor_up", "The process runs.", truth(t.Running))
	b.gauge("tunic_tor_bootstrap_ratio", "How far tor has come, 1 is connected.", float64(t.Bootstrap)/100)
	b.counter("tunic_tor_restarts_total", "Times that tor was started again.", float64(t.Restarts))
}

func household(b *exposition, h api.Household) {
	policies := map[string]int{"tor": 0, "onion": 0, "direct": 0, "block": 0}
	for _, d := range h.Devices {
		if d.Seen {
			policies[d.Policy]++
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(policies)) {
		b.gauge("tunic_devices", "Devices that were seen lately, by the policy in force.", float64(policies[policy]), "policy", policy)
	}
	s := h.Served
	b.counter("tunic_dns_questions_total", "Questions of devices.", float64(s.Questions))
	b.counter("tunic_dns_cached_total", "Of them: answered with what Tor had said before.", float64(s.Cached))
	b.counter("tunic_dns_unanswered_total", "Of them: answered SERVFAIL.", float64(s.Unanswered))
	b.counter("tunic_dns_refused_total", "Questions beyond what one device may have.", float64(s.DNSRefused))
	b.counter("tunic_dns_blocked_total", "Questions for names on a block list.", float64(s.Blocked))
	b.counter("tunic_socks_connections_total", "Connections by SOCKS.", float64(s.Connections))
	b.counter("tunic_socks_failed_total", "Of them: not connected by tor.", float64(s.Unconnected))
	b.counter("tunic_socks_refused_total", "Beyond the limits, or not to be had by SOCKS.", float64(s.SOCKSRefused))
	b.gauge("tunic_socks_active", "Connections by SOCKS that are open.", float64(s.Active))
	b.counter("tunic_socks_bytes_total", "Of connections that have ended.", float64(s.Up), "direction", "up")
	b.counter("tunic_socks_bytes_total", "Of connections that have ended.", float64(s.Down), "direction", "down")
	b.counter("tunic_time_answers_total", "Questions for the time that were answered.", float64(s.Time.Answered))
	services(b, s.Services)
	b.counter("tunic_faults_total", "Conversations that a mistake in tunic has ended.", float64(s.Faults))
}

func services(b *exposition, list []api.Service) {
	for _, s := range list {
		b.counter("tunic_service_connections_total", "Connections of devices to a service of the box.", float64(s.Accepted),
			"service", s.Name)
	}
	for _, s := range list {
		b.counter("tunic_service_refused_total", "Those beyond what one device, or all, may have.", float64(s.Refused), "service", s.Name)
	}
	for _, s := range list {
		b.gauge("tunic_service_active", "Those that are open.", float64(s.Active), "service", s.Name)
	}
}

func onions(b *exposition, list []api.Onion) {
	for _, o := range list {
		b.gauge("tunic_onion_published", "It was uploaded since tor started.", truth(o.Published), "onion", o.Name)
	}
	for _, o := range list {
		if o.Visitors == api.Yes || o.Visitors == api.No {
			b.gauge("tunic_onion_reachable", "The last call through Tor arrived; absent: not called yet.",
				truth(o.Visitors == api.Yes), "onion", o.Name)
		}
	}
	for _, o := range list {
		b.counter("tunic_onion_streams_total", "Streams of visitors.", float64(o.Streams), "onion", o.Name)
	}
	for _, o := range list {
		b.counter("tunic_onion_refused_total", "Streams beyond a limit, or for a port that it has not.", float64(o.Turned), "onion", o.Name)
	}
	for _, o := range list {
		b.gauge("tunic_onion_active", "Streams that are open.", float64(o.Active), "onion", o.Name)
	}
	for _, o := range list {
		for _, p := range o.Ports {
			if p.Reachable || p.Down() {
				b.gauge("tunic_target_up", "The target of a port answers; absent: not asked yet.", truth(p.Reachable),
					"onion", o.Name, "port", strconv.Itoa(int(p.Port)))
			}
		}
	}
}

func findings(b *exposition, list []health.Finding) {
	codes := make(map[health.Finding]int)
	for _, f := range list {
		codes[health.Finding{Code: f.Code, Severity: f.Severity}]++
	}
	byCode := func(a, b health.Finding) int { return strings.Compare(string(a.Code), string(b.Code)) }
	for _, f := range slices.SortedFunc(maps.Keys(codes), byCode) {
		b.gauge("tunic_findings", "What is wrong or worth knowing: tunic explain CODE.", float64(codes[f]),
			"code", string(f.Code), "severity", string(f.Severity))
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// exposition is a text in which the samples of a family follow each other.
type exposition struct {
	bytes.Buffer
	family string
}

func (b *exposition) gauge(name, help string, value float64, labels ...string) {
	b.sample("gauge", name, help, value, labels)
}

func (b *exposition) counter(name, help string, value float64, labels ...string) {
	b.sample("counter", name, help, value, labels)
}

// sample writes a line; labels are names and values in turn.
func (b *exposition) sample(kind, name, help string, value float64, labels []string) {
	if b.family != name {
		b.family = name
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		separator := ","
		if i == 0 {
			separator = "{"
		}
		fmt.Fprintf(b, `%s%s="%s"`, separator, labels[i], labelValue.Replace(strings.ToValidUTF8(labels[i+1], "\ufffd")))
	}
	if len(labels) > 0 {
		b.WriteString("}")
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// labelValue escapes what would end a label's value or its line.
var labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
