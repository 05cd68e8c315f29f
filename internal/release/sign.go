package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"
	"golang.org/x/sys/unix"
)

// sign signs the sums of a directory with the key in a file, as minisign(1)
// makes it with -G. password is asked for a key that has one.
func sign(keyFile, dir string, password func() (string, error)) error {
	key, err := privateKey(keyFile, password)
	if err != nil {
		return fmt.Errorf("reading the key %s: %w", keyFile, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		return fmt.Errorf("reading what to sign: %w: run `make dist` first", err)
	}
	if err := checkSums(dir, text); err != nil {
		return err
	}
	r := minisign.NewReader(strings.NewReader(string(text)))
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	signature := r.SignWithComments(key, "file:"+sumsName, "signature of tunic's packages")
	return os.WriteFile(filepath.Join(dir, signatureName), signature, 0o644)
}

func privateKey(file string, password func() (string, error)) (key minisign.PrivateKey, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return key, err
	}
	if !minisign.IsEncrypted(text) {
		return key, key.UnmarshalText(text)
	}
	word, err := password()
	if err != nil {
		return key, err
	}
	return minisign.DecryptKey(word, text)
}

// verify checks that the sums of a directory were signed by the owner of a
// public key, and that all of its files are those that have these sums.
func verify(publicFile, dir string) error {
	key, err := minisign.PublicKeyFromFile(publicFile)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		return fmt.Errorf("reading the sums: %w", err)
	}
	signature, err := os.ReadFile(filepath.Join(dir, signatureName))
	if err != nil {
		return fmt.Errorf("reading the signature: %w: `make sign KEY=FILE` makes one", err)
	}
	if !minisign.Verify(key, text, signature) {
		return fmt.Errorf("%s was not signed with this key, or was changed since: use nothing of it", sumsName)
	}
	return checkSums(dir, text)
}

// askPassword reads one line from standard input; a terminal does not show it.
func askPassword() (string, error) {
	in := int(os.Stdin.Fd())
	if state, err := unix.IoctlGetTermios(in, unix.TCGETS); err == nil {
		hidden := *state
		hidden.Lflag &^= unix.ECHO
		if err := unix.IoctlSetTermios(in, unix.TCSETS, &hidden); err != nil {
			return "", err
		}
		defer unix.IoctlSetTermios(in, unix.TCSETS, state)
		fmt.Fprint(os.Stderr, "Password of the key: ")
		defer fmt.Fprintln(os.Stderr)
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if line == "" && err != nil {
		return "", errors.New("it has a password: type it, or write it as one line to standard input")
	}
	return strings.TrimRight(line, "\r\n"), nil
}
