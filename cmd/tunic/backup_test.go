package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

// damage copies a file with a change: cut FROM TO.
func damage(change func([]byte) []byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: cut FROM TO")
		}
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), change(b), 0o600))
	}
}

// newer makes a backup of a version to come: newer FILE.
func newer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer FILE")
	}
	r, err := age.NewScryptRecipient("correct horse battery staple")
	ts.Check(err)
	r.SetWorkFactor(10)
	var out bytes.Buffer
	outer, err := age.Encrypt(&out, r)
	ts.Check(err)
	zip := gzip.NewWriter(outer)
	w := tar.NewWriter(zip)
	header := `{"format": 2, "version": "9.9", "something": "new"}`
	ts.Check(w.WriteHeader(&tar.Header{Name: "tunic-backup.json", Typeflag: tar.TypeReg, Size: int64(len(header))}))
	_, err = io.WriteString(w, header)
	ts.Check(errors.Join(err, w.Close(), zip.Close(), outer.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600))
}

// keypair makes a pair of age's and sets RECIPIENT: keypair FILE.
func keypair(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keypair FILE")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
	ts.Setenv("RECIPIENT", id.Recipient().String())
}
