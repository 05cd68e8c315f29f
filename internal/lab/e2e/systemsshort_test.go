//go:build lab

package e2e

import "strings"

// ordinaryPrograms is the short form of `make systems`: SSH, and TLS by the keys of two onions, at an onion's own name.
func ordinaryPrograms(w *world) {
	t := &trial{world: w, dir: publicDir(w)}
	t.sshd()
	key := strings.TrimSuffix(w.publish("ordinary", "22="+nas4+":22", "7443="+nas4+":7443"), ".onion")
	t.Cleanup(func() { w.must("gateway", "tunic", "unpublish", "ordinary", "--forget-key", "--yes") })
	home := strings.TrimSuffix(t.must("friend", "tunic", "address", "home"), ".onion")
	t.mustSh("gateway", "tunic certificate ordinary --out server; tunic anchor bob > bob.pem")
	t.mustSh("friend", "tunic certificate home --out client; tunic anchor "+key+" > ordinary.pem")
	log := t.runs("nas", "socat", "OPENSSL-LISTEN:7443,bind="+nas4+",fork,reuseaddr,verify=1,cafile="+t.dir+"/bob.pem,"+
		"cert="+t.dir+"/server/both.pem", "SYSTEM:read q; echo $SOCAT_OPENSSL_X509_COMMONNAME says $q")
	name := key + ".peer.home.arpa"
	t.does("ssh", func() { t.until("friend-laptop", "shell of the nas", "ssh -F ssh.conf "+name+" echo shell of the nas") })
	talk := func(cert string) string {
		return "echo hello | timeout 40 socat -t20 - OPENSSL:" + name + ":7443,verify=1,cafile=ordinary.pem,cert=" + cert +
			",openssl-commonname=" + name + " 2>&1"
	}
	t.does("TLS by both onions' keys", func() { t.until("friend-laptop", home+".onion says hello", talk("client/both.pem")) })
	t.refuses("TLS with the certificate of another", func() {
		r := t.sh("friend-laptop", talk("server/both.pem"))
		if said := tail(log, 20); strings.Contains(r.Stdout, "hello") || !strings.Contains(said, "certificate verify failed") {
			t.Errorf("the client: %s; the server: %s", r.Stdout, said)
		}
	})
}
