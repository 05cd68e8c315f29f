//go:build lab

package e2e

import (
	"os"
	"strings"
)

// kuboVariable names the directory with Kubo, a node of IPFS that no Debian has.
const kuboVariable = "TUNIC_KUBO"

// kubo is a node of IPFS on a device, which knows no other by itself.
type kubo struct {
	*trial
	device, name, program string
}

// line is what a shell runs to have the node do something.
func (k kubo) line(words string) string {
	return "IPFS_TELEMETRY=off IPFS_PATH=" + k.dir + "/" + k.name + " timeout 60 " + k.program + " " + words
}

// asks has the node do something that has to succeed.
func (k kubo) asks(words string) string {
	k.Helper()
	return strings.TrimSpace(k.mustSh(k.device, k.line(words)))
}

// serve starts the node with its settings, and returns its ID.
func (k kubo) serve(settings ...string) (id string) {
	k.Helper()
	k.asks("init --profile=test >/dev/null")
	for _, s := range append(settings, `Routing.Type '"none"'`, "Provide.Enabled false") {
		k.asks("config --json " + s)
	}
	log := k.runs(k.device, "env", "IPFS_TELEMETRY=off", "IPFS_PATH="+k.dir+"/"+k.name, k.program, "daemon")
	k.eventually("the node is ready", systemLimit, func() bool { return strings.Contains(tail(log, 40), "Daemon is ready") })
	return k.asks("id -f '<id>'")
}

// tryIPFS: a gateway that gives the house's own, and two nodes that know each other by the onion's name alone.
func tryIPFS(t *trial) {
	programs := os.Getenv(kuboVariable)
	if programs == "" {
		t.Fatalf("%s does not say where Kubo is: see `make systems`", kuboVariable)
	}
	ann := kubo{t, "nas", "ann", programs + "/ipfs"}
	bob := kubo{t, "friend-laptop", "bob", programs + "/ipfs"}
	id := ann.serve(`Addresses.Swarm '["/ip4/`+nas4+`/tcp/4001"]'`, `Addresses.Gateway '"/ip4/`+nas4+`/tcp/8090"'`,
		"Gateway.NoFetch true")
	bob.serve()
	t.blob("blob", 2)
	t.file("page", "a page of ann's\n")
	t.file("other", "a page of bob's\n")
	page, blob, other := ann.asks("add -Q page"), ann.asks("add -Q blob"), bob.asks("add -Q other")
	gateway := "http://" + svc + ":8090/ipfs/"
	t.does("Kubo "+ann.asks("version -n")+": a page of its gateway, by NAME", func() {
		t.until("friend-laptop", "a page of ann's", "curl -sS -m 30 "+gateway+page)
	})
	t.does("two nodes: `ipfs swarm connect /dns4/NAME/tcp/4001/p2p/ID`", func() {
		t.until("friend-laptop", "success", bob.line("swarm connect /dns4/"+svc+"/tcp/4001/p2p/"+id)+" || :")
	})
	t.does("`ipfs get` of 2 MB", func() {
		bob.asks("get -o copy " + blob)
		t.same("blob", "copy")
	})
	t.refuses("the gateway with `Gateway.NoFetch`, asked for what only the other node has", func() {
		if code := t.mustSh("friend-laptop", "curl -s -m 30 -o got -w '%{http_code}' "+gateway+other); code != "404" {
			t.Errorf("the gateway answers %s: %s", code, t.sh("nas", "cat got").Stdout)
		}
	})
}
