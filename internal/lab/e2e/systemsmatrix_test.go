//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// dendriteVariable names the directory with the programs of Dendrite, a Matrix server that no Debian has.
const dendriteVariable = "TUNIC_DENDRITE"

// houseServers are those of which each house has one.
func houseServers() []system {
	return []system{{"Matrix", nil, []string{"8448"}, tryMatrix}}
}

// moduleVersion is in what `go version -m` says of a program.
var moduleVersion = regexp.MustCompile(`mod\s+\S+/dendrite\s+v(\S+)`)

// matrix is somebody at the Matrix server of their house, which runs on a device of it.
type matrix struct {
	*trial
	device, addr, name string // the device, its address, and the server's name
	user, token        string
}

// tryMatrix: two servers know each other by the onions' addresses, and verify each other's certificates by nothing else.
func tryMatrix(t *trial) {
	programs := os.Getenv(dendriteVariable)
	if programs == "" {
		t.Fatalf("%s does not say where Dendrite is: see `make systems`", dendriteVariable)
	}
	theirs := t.matrixOnion()
	ann := &matrix{trial: t, device: "nas", addr: nas4, name: t.key("svc") + ".peer.home.arpa", user: "ann"}
	bob := &matrix{trial: t, device: "friend-laptop", addr: "192.168.78.10", name: theirs + ".peer.home.arpa", user: "bob"}
	t.mustSh("gateway", "mkdir ann bob; tunic certificate svc --out ann/tls; tunic anchor "+theirs+" > ann/trust.pem")
	t.mustSh("friend", "tunic certificate matrix --out bob/tls; tunic anchor "+t.key("svc")+" > bob/trust.pem")
	ann.serve(programs)
	bob.serve(programs)
	ask := "https://" + ann.name + ":8448/_matrix/federation/v1/version 2>&1"
	built := moduleVersion.FindStringSubmatch(t.must("gateway", "go", "version", "-m", programs+"/dendrite"))
	if built == nil {
		t.Fatal("Dendrite does not say its version")
	}
	t.does("Dendrite "+built[1]+", with a certificate of `tunic certificate`: `curl --cacert` to its port 8448", func() {
		t.until("friend-laptop", "Dendrite", "curl -sS -m 30 --cacert bob/trust.pem "+ask)
	})
	t.refuses("the same by the anchor of another onion", func() {
		r := t.sh("friend-laptop", "curl -sS -m 30 --cacert ann/trust.pem "+ask)
		if r.Code != curlTLS {
			t.Errorf("curl ends with %d, %s", r.Code, r.Stdout)
		}
	})
	ann.register()
	bob.register()
	room := ""
	t.does("federation: a room at one house, and the invitation of a friend of the other", func() {
		room = ann.asks("POST", "createRoom", `{"preset":"private_chat","invite":["@bob:`+bob.name+`"]}`)["room_id"].(string)
		t.eventually("the invitation", systemLimit, func() bool { return strings.Contains(bob.sync(), room) })
	})
	t.does("the friend joins it", func() { bob.asks("POST", "join/"+room, "{}") })
	t.does("a message there", func() {
		ann.writes(room, "1", "hello bob")
		t.eventually("the message", systemLimit, func() bool { return strings.Contains(bob.sync(), "hello bob") })
	})
	t.does("a message back", func() {
		bob.writes(room, "2", "hello ann")
		t.eventually("the answer", systemLimit, func() bool { return strings.Contains(ann.sync(), "hello ann") })
	})
}

// matrixOnion publishes the server of bob's house, and returns the 56 letters of its address.
func (t *trial) matrixOnion() string {
	t.Helper()
	address := t.must("friend", "tunic", "publish", "matrix", "--private", "--client", "alice", "8448=192.168.78.10:8448")
	t.Cleanup(func() { t.must("friend", "tunic", "unpublish", "matrix", "--forget-key", "--yes") })
	t.eventually("alice's box has heard of the onion", pairLimit, func() bool {
		return slices.Contains(t.peer("gateway", "bob").Onions, "matrix.bob.peer.home.arpa")
	})
	return strings.TrimSuffix(strings.Fields(address)[0], ".onion")
}

// serve starts the server, with TLS validated as it is by default.
func (m *matrix) serve(programs string) {
	m.Helper()
	home := filepath.Join(m.dir, m.user)
	m.mustSh(m.device, fmt.Sprintf("cd %s; %s/generate-keys --private-key matrix_key.pem && "+
		"%s/generate-config -ci -server %s -dir %s/ > dendrite.yaml",
		home, programs, programs, m.name, home))
	text, err := os.ReadFile(home + "/dendrite.yaml")
	if err != nil || !strings.Contains(string(text), "disable_tls_validation: false") {
		m.Fatalf("the configuration does not validate TLS: %v", err)
	}
	m.runs(m.device, "env", "-C", home, "SSL_CERT_FILE="+home+"/trust.pem", "SSL_CERT_DIR=/nonexistent",
		programs+"/dendrite", "-config", "dendrite.yaml", "-really-enable-open-registration",
		"-http-bind-address", m.addr+":8008", "-https-bind-address", m.addr+":8448",
		"-tls-cert", home+"/tls/certificate.pem", "-tls-key", home+"/tls/key.pem")
	m.until(m.device, "versions", "curl -s -m 5 "+m.addr+":8008/_matrix/client/versions || :")
}

// register makes the user.
func (m *matrix) register() {
	m.Helper()
	answer := m.asks("POST", "register", `{"username":"`+m.user+`","password":"`+mailPassword+`","auth":{"type":"m.login.dummy"}}`)
	m.token = answer["access_token"].(string)
}

// asks says something to the house's own server, as a client does.
func (m *matrix) asks(method, path, body string) (answer map[string]any) {
	m.Helper()
	r := m.exec(m.device, "curl", "-sS", "-m", "60", "-X", method, "-H", "Authorization: Bearer "+m.token, "-d", body,
		"http://"+m.addr+":8008/_matrix/client/v3/"+path)
	err := json.Unmarshal([]byte(r.Stdout), &answer)
	if err != nil || answer["errcode"] != nil {
		m.Fatalf("%s %s: %v, %s%s", method, path, err, r.Stdout, r.Stderr)
	}
	return answer
}

// sync is all that the user has.
func (m *matrix) sync() string {
	m.Helper()
	return m.exec(m.device, "curl", "-sS", "-m", "30", "-H", "Authorization: Bearer "+m.token,
		"http://"+m.addr+":8008/_matrix/client/v3/sync?timeout=1000").Stdout
}

// writes sends a message to a room.
func (m *matrix) writes(room, id, words string) {
	m.Helper()
	m.asks("PUT", "rooms/"+room+"/send/m.room.message/"+id, `{"msgtype":"m.text","body":"`+words+`"}`)
}
