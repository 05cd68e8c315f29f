package config

import "path/filepath"

// readCertificates reads the directory in which the daemon keeps the onion's TLS
// certificate. Visitors of a balanced onion ask for another name, whose key is not here.
func readCertificates(o *Onion, t *table) {
	dir, ok := t.text("certificates")
	switch {
	case !ok:
	case !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/":
		t.add("certificates", problemf(`name it from the root, like "/srv/photos/tls"`, "%q is no full path of a directory", dir))
	case o.Balance != "":
		t.add("certificates", problemf("leave out one of the two",
			"visitors ask for the address in balance, and its key is not on this box"))
	default:
		o.Certificates = dir
	}
}

// checkCertificates refuses tunic's own directories, and one for two onions.
func (l *loader) checkCertificates(o Onion, others []Onion, t *table) {
	if o.Certificates == "" {
		return
	}
	for _, own := range []string{l.paths.Etc, l.paths.State, l.paths.Run} {
		if contains(own, o.Certificates) {
			t.add("certificates", problemf("give it a directory of its own", "%s is one of tunic's own directories", o.Certificates))
			return
		}
	}
	for _, other := range others {
		if other.Certificates == o.Certificates {
			t.add("certificates", problemf("give each onion a directory of its own",
				"%s is already for the certificates of %s", o.Certificates, other.Name))
		}
	}
}
