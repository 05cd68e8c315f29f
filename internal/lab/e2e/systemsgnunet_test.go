//go:build lab

package e2e

import (
	"fmt"
	"strings"
)

// gnunetConfig makes a peer that speaks HTTP alone and knows no other by itself, of its directory and its transport.
const gnunetConfig = `[PATHS]
GNUNET_HOME = %[1]s
GNUNET_RUNTIME_DIR = %[1]s/run
GNUNET_USER_RUNTIME_DIR = %[1]s/users
GNUNET_DATA_HOME = %[1]s/data
GNUNET_CONFIG_HOME = %[1]s/config
GNUNET_CACHE_HOME = %[1]s/cache
[arm]
START_USER_SERVICES = NO
[hostlist]
IMMEDIATE_START = NO
OPTIONS =
[peerinfo]
USE_INCLUDED_HELLOS = NO
[nat]
DISABLEV6 = YES
ENABLE_UPNP = NO
USE_STUN = NO
[nse]
WORKBITS = 0
[transport]
PLUGINS = %[2]s
`

// gnunetServer is added for the peer that is asked: it says the name and port by which the friend comes.
const gnunetServer = `[transport-http_server]
PORT = 1080
BINDTO = ` + nas4 + `
USE_IPv6 = NO
EXTERNAL_HOSTNAME = ` + svc + `:1080
EXTERNAL_HOSTNAME_ONLY = YES
`

// tryGNUnet: one peer has the other's HELLO, with the name of the onion in it, and nothing else.
func tryGNUnet(t *trial) {
	peer := func(node, name, transport, more string) {
		t.file(name+".conf", fmt.Sprintf(gnunetConfig, t.dir+"/"+name, transport)+more)
		t.mustSh(node, "timeout 60 gnunet-arm -c "+name+".conf -s >"+name+".log 2>&1 </dev/null")
		t.Cleanup(func() { t.sh(node, "timeout 30 gnunet-arm -c "+name+".conf -e") })
	}
	peer("nas", "ann", "http_server", gnunetServer)
	t.until("nas", "http://"+svc+":1080", "timeout 20 gnunet-peerinfo -c ann.conf -g | tee hello")
	peer("friend-laptop", "bob", "http_client", "")
	connected := func() bool {
		return strings.Contains(t.sh("friend-laptop", "timeout 20 gnunet-core -c bob.conf").Stdout, "connection established")
	}
	t.does("two peers by the HTTP transport, from a HELLO with NAME in it to a connection of their cores", func() {
		t.mustSh("friend-laptop", `timeout 20 gnunet-peerinfo -c bob.conf -p "$(cat hello)"`)
		t.eventually("the cores are connected", 2*systemLimit, connected)
	})
	t.does("it stays for 65 s in which nobody sends", func() {
		for range 13 {
			t.pause(idle / 13)
			if !connected() {
				t.Fatalf("the connection is lost: %s", t.sh("friend-laptop", "timeout 20 gnunet-core -c bob.conf").Stdout)
			}
		}
	})
}
