//go:build lab

package e2e

import (
	"fmt"
	"strconv"
	"strings"
)

// networks are programs that make networks of their own, of which the friend's onion is one wire.
func networks() []system {
	return []system{
		{"Yggdrasil", []string{"yggdrasil", "mosh"}, []string{"9001"}, tryYggdrasil},
		{"BitTorrent", []string{"transmission-daemon", "python3-libtorrent", "aria2"}, []string{"9091", "51413", "8081"}, tryBitTorrent},
		{"IPFS", nil, []string{"4001", "8090"}, tryIPFS},
		{"Litecoin", []string{"litecoind"}, []string{"19444"}, tryLitecoin},
		{"GNUnet", []string{"gnunet"}, []string{"1080"}, tryGNUnet},
		{"Tox", []string{"toxic", "toxcore-utils"}, []string{strconv.Itoa(toxPort)}, tryTox},
		{"MQTT", []string{"mosquitto", "mosquitto-clients"}, []string{"1883"}, tryMQTT},
	}
}

// tryYggdrasil: a mesh whose one link goes by the friend's onion carries what Tor does not.
func tryYggdrasil(t *trial) {
	addr := func(name, own string) string {
		t.mustSh("nas", `yggdrasil -genconf -json | /usr/bin/python3 -c '
import json, sys
c = json.load(sys.stdin)
c.update(AdminListen="none", MulticastInterfaces=[], IfName="mesh0", `+own+`)
json.dump(c, open("`+name+`.json", "w"))'`)
		return strings.TrimSpace(t.mustSh("nas", "yggdrasil -useconffile "+name+".json -address"))
	}
	ann := addr("ann", `Listen=["tcp://`+nas4+`:9001"]`)
	addr("bob", `Listen=[], Peers=["tcp://`+svc+`:9001"]`)
	t.runs("nas", "yggdrasil", "-useconffile", t.dir+"/ann.json")
	t.eventually("it listens", systemLimit, func() bool {
		return strings.Contains(t.sh("nas", "ss -Hltn sport = :9001; ip -6 addr show dev mesh0").Stdout, "LISTEN") &&
			strings.Contains(t.sh("nas", "ip -6 addr show dev mesh0").Stdout, ann)
	})
	t.runs("nas", "socat", "UDP6-RECVFROM:7009,bind=["+ann+"],fork", "EXEC:cat")
	t.does("two houses are one mesh: `ping`", func() {
		t.runs("friend-laptop", "yggdrasil", "-useconffile", t.dir+"/bob.json")
		t.until("friend-laptop", "3 received", "ping -6 -q -c 3 -i 0.3 -W 5 "+ann)
	})
	t.does("UDP inside it", func() {
		t.until("friend-laptop", "hello by UDP", "echo hello by UDP | timeout 10 socat -t1 - UDP6:["+ann+"]:7009")
	})
	t.does("`mosh` inside it", func() {
		t.file("shell", "#!/bin/sh\necho this is the nas\nexec cat\n")
		said := t.mustSh("nas", "chmod 755 shell; LANG=C.UTF-8 LC_ALL=C.UTF-8 SHELL=/bin/sh timeout 60 mosh-server new -i "+ann+
			" -p 60001 -- "+t.dir+"/shell 2>&1 </dev/null")
		_, key, ok := strings.Cut(said, "MOSH CONNECT 60001 ")
		if !ok {
			t.Fatalf("mosh-server says %s", said)
		}
		key, _, _ = strings.Cut(strings.TrimSpace(key), "\n")
		t.Cleanup(func() { t.signalOn("nas", 15, "mosh-server") })
		bob := t.terminal("friend-laptop", "LC_ALL=C.UTF-8 MOSH_KEY="+strings.TrimSpace(key)+" mosh-client "+ann+" 60001")
		bob.shows("this is the nas")
	})
}

// torrentClient fetches a torrent from one peer, whose name it has looked up.
const torrentClient = `
import libtorrent as lt, socket, sys, time
s = lt.session({"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False, "enable_outgoing_utp": False})
h = s.add_torrent({"ti": lt.torrent_info("blob.torrent"), "save_path": "fetched"})
h.connect_peer((socket.gethostbyname(sys.argv[1]), 51413))
for _ in range(600):
    if h.status().is_seeding:
        print("fetched all")
        break
    time.sleep(0.1)
`

// tryBitTorrent: the client at home by its web interface, and its files by a peer's address and by a web seed.
func tryBitTorrent(t *trial) {
	t.blob("seed/blob", 4)
	t.file("tr/settings.json", fmt.Sprintf(`{"rpc-bind-address": %q, "bind-address-ipv4": %q, "rpc-whitelist-enabled": false,
"rpc-host-whitelist-enabled": false, "rpc-authentication-required": true, "rpc-username": "ann", "rpc-password": "secret",
"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false, "port-forwarding-enabled": false,
"download-dir": %q}`, nas4, nas4, t.dir+"/seed"))
	t.mustSh("nas", "transmission-create -o blob.torrent seed/blob; mkdir fetched seeded")
	t.runs("nas", "transmission-daemon", "-f", "-g", t.dir+"/tr")
	t.does("Transmission's web interface by NAME: a torrent added, and listed", func() {
		remote := "timeout 30 transmission-remote " + svc + ":9091 -n ann:secret "
		t.until("friend-laptop", "100%", remote+"-a blob.torrent 2>&1; sleep 1; "+remote+"-l")
	})
	t.refuses("the same with another password", func() {
		r := t.sh("friend-laptop", "timeout 30 transmission-remote "+svc+":9091 -n bob:guess -l 2>&1")
		if !strings.Contains(r.Stdout, "401") {
			t.Errorf("it says %s", r.Stdout)
		}
	})
	t.file("client.py", torrentClient)
	t.does("4 MB by libtorrent, with the peer's address", func() {
		t.until("friend-laptop", "fetched all", "timeout 70 /usr/bin/python3 client.py "+svc)
		t.same("seed/blob", "fetched/blob")
	})
	t.runs("nas", "/usr/bin/python3", "-m", "http.server", "--bind", nas4, "--directory", t.dir+"/seed", "8081")
	t.does("4 MB by aria2, from a web seed", func() {
		t.until("friend-laptop", "(OK):download completed", "timeout 70 aria2c -d seeded --seed-time=0 --enable-dht=false "+
			"--enable-dht6=false --bt-enable-lpd=false --enable-peer-exchange=false --listen-port=6999 "+
			"-T blob.torrent http://"+svc+":8081/blob 2>&1")
		t.same("seed/blob", "seeded/blob")
	})
}

// tryLitecoin: a node that knows one other, of a chain that the test makes.
func tryLitecoin(t *trial) {
	t.mustSh("nas", "mkdir ann bob")
	node := func(device, name string, more ...string) {
		t.runs(device, append([]string{"litecoind", "-regtest", "-datadir=" + t.dir + "/" + name, "-dnsseed=0", "-listenonion=0",
			"-rpcport=19443", "-printtoconsole=0"}, more...)...)
	}
	cli := func(name, words string) string {
		return "timeout 30 litecoin-cli -regtest -rpcport=19443 -datadir=" + name + " " + words + " 2>&1"
	}
	node("nas", "ann", "-bind="+nas4+":19444", "-server")
	t.until("nas", `"name": "w"`, cli("ann", "createwallet w"))
	t.mustSh("nas", cli("ann", "-generate 7"))
	t.does("`litecoind -connect=NAME:19444`: 7 blocks of a chain that nobody else has", func() {
		node("friend-laptop", "bob", "-listen=0", "-disablewallet", "-connect="+svc+":19444", "-server")
		t.until("friend-laptop", "7\n", cli("bob", "getblockcount")+" | grep -x 7")
	})
}

// tryMQTT: the house's broker, with a password.
func tryMQTT(t *trial) {
	t.file("mosquitto.conf", fmt.Sprintf("listener 1883 %s\nallow_anonymous false\npassword_file %s/users\n", nas4, t.dir))
	t.mustSh("nas", "mosquitto_passwd -b -c users bob secret; chmod 644 users")
	t.runs("nas", "mosquitto", "-c", t.dir+"/mosquitto.conf")
	t.does("`mosquitto_pub`, then `mosquitto_sub`, by NAME", func() {
		user := " -h " + svc + " -u bob -P secret -t door "
		t.until("friend-laptop", "open", "timeout 30 mosquitto_pub -r -m open"+user+" && timeout 30 mosquitto_sub -C 1"+user)
	})
	t.refuses("the same without a password", func() {
		r := t.sh("friend-laptop", "timeout 30 mosquitto_sub -C 1 -h "+svc+" -t door 2>&1")
		if r.Code == 0 || strings.Contains(r.Stdout, "open") {
			t.Errorf("status %d, %s", r.Code, r.Stdout)
		}
	})
}
