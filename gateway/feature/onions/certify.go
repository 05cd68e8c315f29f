package onions

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/anchor"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

// certify keeps the certificates of an onion that has a directory for them. The
// zero time says that now is not known.
func (f *Feature) certify(o config.Onion, address onion.Address, now time.Time, r *feature.Report) {
	if o.Certificates == "" {
		return
	}
	files, err := anchor.Keep(o.Certificates, address, f.signer(o.Name), now)
	switch {
	case errors.Is(err, ca.ErrClock):
		r.Find(health.ClockUntrusted, "", "%v", err)
	case errors.Is(err, unix.EROFS):
		r.Find(health.OnionCertificate, o.Name, "the onion %s: %v: if the disk is not read-only, tunic's service may not write there: "+
			"systemctl edit tunic, with the lines [Service] and ReadWritePaths=-%s, then systemctl restart tunic",
			o.Name, err, o.Certificates)
	case errors.Is(err, unix.ENOENT):
		r.Find(health.OnionCertificate, o.Name, "the onion %s: %v: make the directory, and give it to the server's user; "+
			"of what is below /home and /root tunic's service sees nothing", o.Name, err)
	case err != nil:
		r.Find(health.OnionCertificate, o.Name, "the onion %s: %v", o.Name, err)
	case files.New:
		f.Log.Info("the onion has a new certificate", "onion", o.Name, "until", files.NotAfter)
	}
}

// signer signs with an onion's key, which it reads when there is something to sign.
func (f *Feature) signer(name string) anchor.Sign {
	return func(message []byte) ([]byte, error) {
		secret, err := onion.Secret(f.Paths.OnionKeys(name), int(f.Owner.UID), int(f.Owner.GID))
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		return tor.Sign(secret, message)
	}
}

// wantCertificates says where onions have certificates.
func wantCertificates(list []config.Onion, d *feature.Desired) {
	for _, o := range list {
		if o.Certificates == "" {
			continue
		}
		if d.Certificates == nil {
			d.Certificates = make(map[string]string)
		}
		d.Certificates[o.Name] = o.Certificates
	}
}
