package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

const (
	web4 = "http://203.0.113.80/ip"
	web6 = "http://[2001:db8::80]/ip"
)

// story is the main job, step by step.
var story = []step{
	{"a phone that knows nothing of Tor opens a page: the site sees an exit", func(ctx context.Context, d *demo) (string, error) {
		return d.arrivesFromExit(ctx, web4)
	}},
	{"the same over IPv6", func(ctx context.Context, d *demo) (string, error) {
		return d.arrivesFromExit(ctx, web6)
	}},
	{"names are answered through Tor, also when the phone asks 8.8.8.8", askNames},
	{"UDP, ping and TCP straight to an address: nothing of it on the WAN", sendStray},
	{"the gateway publishes the nas with one command", publishNAS},
	{"the friend's laptop opens the nas by its onion address", func(ctx context.Context, d *demo) (string, error) {
		return d.fetchOnion(ctx)
	}},
	{"the friend's laptop reads our Gopher hole", readGopher},
	{"kill -9 of the daemon: while it is dead, the phone reaches nothing and leaks nothing", killDaemon},
	{"it starts again: same address, the phone works, the friend too", startAgain},
	{"all that both gateways ever sent to the internet was tor's", onlyTor},
}

func (d *demo) arrivesFromExit(ctx context.Context, url string) (string, error) {
	from, err := house.Eventually(ctx, 30*time.Second, tryPause, func() (string, error) {
		return d.run(ctx, "phone", "curl", "-sS", "-g", "-m", "20", url)
	})
	if err != nil {
		return "", err
	}
	for _, r := range lab.TorRelays() {
		if from == r.Addr4.String() || from == r.Addr6.String() {
			return from + ", the exit " + r.Name, nil
		}
	}
	return "", fmt.Errorf("the site saw %s, which is no exit", from)
}

func askNames(ctx context.Context, d *demo) (string, error) {
	var answers []string
	for _, q := range [][]string{{"web.example", "A"}, {"web.example", "AAAA"}, {"@8.8.8.8", "www.example", "A"}} {
		out, err := house.Eventually(ctx, 20*time.Second, tryPause, func() (string, error) {
			return d.run(ctx, "phone", append([]string{"dig", "+short", "+time=6", "+tries=1"}, q...)...)
		})
		if err != nil || out == "" {
			return "", fmt.Errorf("asking for %s: %q, %v", strings.Join(q, " "), out, err)
		}
		answers = append(answers, out)
	}
	return strings.Join(answers, ", "), nil
}

// sendStray sends what must not pass, and counts it on the WAN.
func sendStray(ctx context.Context, d *demo) (string, error) {
	c, err := d.lab.Capture("gateway")
	if err != nil {
		return "", err
	}
	before, err := c.Mark(ctx)
	if err != nil {
		return "", err
	}
	stray := "for i in 1 2 3; do echo hello | nc -u -w 1 203.0.113.80 7; echo hello | nc -u -w 1 2001:db8::80 443; " +
		"ping -c 1 -W 1 203.0.113.80; ping -6 -c 1 -W 1 2001:db8::80; nc -z -w 2 203.0.113.80 9; done"
	if _, err := d.lab.Exec(ctx, "phone", "sh", "-c", stray); err != nil {
		return "", err
	}
	leaked, err := c.Lines(ctx, before, d.lab.Plan().ForeignFilter("gateway"))
	if err != nil {
		return "", err
	}
	if len(leaked) > 0 {
		return "", fmt.Errorf("%d packets leaked, the first: %s", len(leaked), leaked[0])
	}
	return "0 packets", nil
}

func publishNAS(ctx context.Context, d *demo) (string, error) {
	out, err := d.run(ctx, "gateway", "tunic", "publish", "photos", "80="+lab.NASOnionTarget)
	d.photos = out
	return out, err
}

func (d *demo) fetchOnion(ctx context.Context) (string, error) {
	page, err := house.Eventually(ctx, 30*time.Second, tryPause, func() (string, error) {
		return d.run(ctx, "friend-laptop", "curl", "-sS", "-m", "20", "http://"+d.photos+"/")
	})
	if err == nil && !strings.Contains(page, "nas") {
		err = fmt.Errorf("the page says %q", page)
	}
	return page, err
}

func readGopher(ctx context.Context, d *demo) (string, error) {
	home, err := d.run(ctx, "gateway", "tunic", "address", "home")
	if err != nil {
		return "", err
	}
	text, err := house.Eventually(ctx, 30*time.Second, tryPause, func() (string, error) {
		return d.run(ctx, "friend-laptop", "lynx", "-dump", "gopher://"+home+"/0/welcome.txt")
	})
	if err == nil && !strings.Contains(text, "Welcome to the box called gateway") {
		err = fmt.Errorf("the hole says %q", text)
	}
	return strings.TrimRight(text, ".\n "), err
}

func killDaemon(ctx context.Context, d *demo) (string, error) {
	if err := d.kill9(ctx, "gateway"); err != nil {
		return "", err
	}
	seen, err := sendStray(ctx, d)
	if err != nil {
		return "", err
	}
	// tor may live some seconds longer than its daemon; what it carries is no leak.
	r, err := d.lab.Exec(ctx, "phone", "curl", "-sS", "-m", "5", web4)
	if err != nil {
		return "", err
	}
	if from := strings.TrimSpace(r.Stdout); r.Code == 0 && slices.Contains([]string{"203.0.113.100", "192.168.77.10"}, from) {
		return "", fmt.Errorf("the site saw %s", from)
	}
	return seen + " on the WAN but tor's", nil
}

func startAgain(ctx context.Context, d *demo) (string, error) {
	if _, err := d.lab.StartDaemon("gateway"); err != nil {
		return "", err
	}
	if err := d.lab.WaitReady(ctx, "gateway", nil); err != nil {
		return "", err
	}
	now, err := d.run(ctx, "gateway", "tunic", "address", "photos")
	if err != nil {
		return "", err
	}
	if now != d.photos {
		return "", fmt.Errorf("the address is %s now", now)
	}
	from, err := d.arrivesFromExit(ctx, web4)
	if err != nil {
		return "", err
	}
	if _, err := d.fetchOnion(ctx); err != nil {
		return "", err
	}
	return "same address; phone by " + from, nil
}

func onlyTor(ctx context.Context, d *demo) (string, error) {
	var seen []string
	for _, gateway := range d.lab.Plan().Gateways() {
		c, err := d.lab.Capture(gateway)
		if err != nil {
			return "", err
		}
		all, err := c.Count(ctx, d.lab.Plan().SentFilter(gateway))
		if err != nil {
			return "", err
		}
		tors, err := c.Count(ctx, d.lab.Plan().TorFilter(gateway))
		if err != nil {
			return "", err
		}
		foreign, err := c.Lines(ctx, lab.Mark{}, d.lab.Plan().ForeignFilter(gateway))
		if err != nil {
			return "", err
		}
		if len(foreign) > 0 {
			return "", fmt.Errorf("%s sent %d packets that were not tor's, the first: %s", gateway, len(foreign), foreign[0])
		}
		if tors == 0 {
			return "", fmt.Errorf("the capture of %s shows no packet of tor: it cannot be trusted", gateway)
		}
		seen = append(seen, fmt.Sprintf("%s: %d packets sent, %d of them tor's, 0 foreign", gateway, all, tors))
	}
	return strings.Join(seen, "; "), nil
}
