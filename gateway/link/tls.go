package link

// TLS is the certificate of the household's servers with its key, in PEM. It
// hides from logs.
type TLS struct {
	Cert, Key string
}

func (TLS) String() string   { return "(a certificate and its key)" }
func (TLS) GoString() string { return "(a certificate and its key)" }
