//go:build machines

package machines

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

// renewalLimit is how long the daemon may take to see what is in a directory of
// certificates: it looks twice a minute.
const renewalLimit = 90 * time.Second

// onionCertificates has the daemon keep certificates of an onion in a directory of a
// server's, from within the unit's sandbox, and openssl verify them by the anchor.
func onionCertificates(w *world) {
	const dir = "/srv/tls" // with a word in it that errors have, too
	w.shell("mkdir -p " + dir)
	key := onion.Address(strings.TrimSuffix(w.must(box, "tunic", "publish", "tls", "8443=192.168.77.20:8080"), ".onion"))
	defer w.must(box, "tunic", "unpublish", "tls")
	w.shell("sed -i '1i certificates = \"" + dir + "\"' /etc/tunic/onions/tls.toml && { tunic reload || test $? = 1; }") // it has a finding
	w.eventually("the status says what to write for the sandbox", renewalLimit, func() bool {
		said := w.must(box, "tunic", "status", "--json")
		return strings.Contains(said, "ReadWritePaths=-"+dir+",") && strings.Contains(said, "in "+dir+":")
	})
	w.write("etc/systemd/system/tunic.service.d/tls.conf", "[Service]\nReadWritePaths=-"+dir+"\n")
	defer w.shell("rm -rf /etc/systemd/system/tunic.service.d " + dir + " /root/tls && systemctl daemon-reload && systemctl restart tunic")
	w.shell("systemctl daemon-reload && systemctl restart tunic")
	first := w.certificateOf(dir, key, "")
	w.must(box, "rm", dir+"/certificate.pem")
	second := w.certificateOf(dir, key, first)
	old := w.nearlyOver(dir, key)
	if third := w.certificateOf(dir, key, old); third == second {
		w.Error("a certificate that was replaced is there again")
	}
	w.must(box, "tunic", "certificate", "tls", "--out", "/root/tls")
	w.certificateOf("/root/tls", key, "")
	w.linkRefused(dir)
}

// nearlyOver puts a certificate there that has 29 days left, and returns it.
func (w *world) nearlyOver(dir string, key onion.Address) string {
	w.Helper()
	keys := filepath.Join(w.m.system(), "var/lib/tunic/onions/tls")
	info, err := os.Stat(keys)
	if err != nil {
		w.Fatal(err)
	}
	of := info.Sys().(*syscall.Stat_t)
	secret, err := onion.Secret(keys, int(of.Uid), int(of.Gid))
	if err != nil {
		w.Fatal(err)
	}
	sign := func(message []byte) ([]byte, error) { return tor.Sign(secret, message) }
	leaf, err := anchor.Issue(key, sign, time.Now().Add(-61*24*time.Hour))
	if err != nil {
		w.Fatal(err)
	}
	daemon := w.must(box, "systemctl", "show", "-P", "MainPID", "tunic")
	w.must(box, "kill", "-STOP", daemon) // files that do not agree are replaced, whatever time is left
	defer w.must(box, "kill", "-CONT", daemon)
	for name, text := range map[string]string{anchor.KeyFile: leaf.Key, anchor.BothFile: leaf.Cert + leaf.Key, anchor.CertFile: leaf.Cert} {
		w.write(filepath.Join(dir, name), text)
	}
	return leaf.Cert
}

// linkRefused: whoever may write above the directory does not lead the daemon elsewhere.
func (w *world) linkRefused(dir string) {
	w.Helper()
	w.shell("mv " + dir + " " + dir + ".moved && mkdir /srv/elsewhere && ln -s elsewhere " + dir)
	w.eventually("the daemon sees the link", renewalLimit, func() bool {
		return strings.Contains(w.must(box, "tunic", "status", "--json"), "a symbolic link is on the way there")
	})
	if there := w.must(box, "ls", "-A", "/srv/elsewhere"); there != "" {
		w.Errorf("where the link leads there is %s", there)
	}
	w.shell("rm " + dir + " && rmdir /srv/elsewhere && mv " + dir + ".moved " + dir)
}

// certificateOf waits for a certificate in a directory of the box's that is another than
// before, and has openssl verify it by the anchor of that key, and refuse it by another's.
func (w *world) certificateOf(dir string, key onion.Address, before string) (certificate string) {
	w.Helper()
	took := w.eventually("there is another certificate in "+dir, renewalLimit, func() bool {
		r := w.exec(box, "cat", dir+"/certificate.pem")
		certificate = r.Stdout
		return r.Code == 0 && certificate != before
	})
	w.Logf("time: %s: a certificate in %s: %.1f s", w.release.Codename, dir, took.Seconds())
	leaf, home := filepath.Join(w.TempDir(), "leaf.pem"), strings.TrimSuffix(w.must(box, "tunic", "address", "home"), ".onion")
	if err := os.WriteFile(leaf, []byte(certificate), 0o600); err != nil {
		w.Fatal(err)
	}
	for of, right := range map[string]bool{string(key): true, home: false} {
		file := filepath.Join(w.TempDir(), "anchor.pem")
		if err := os.WriteFile(file, []byte(w.must(box, "tunic", "anchor", of)+"\n"), 0o600); err != nil {
			w.Fatal(err)
		}
		out, err := exec.CommandContext(w.ctx, "openssl", "verify", "-CAfile", file, leaf).CombinedOutput()
		if (err == nil) != right {
			w.Errorf("by the anchor of %s: %v, %s", of, err, out)
		}
	}
	return certificate
}
