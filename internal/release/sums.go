package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// sumsName is the file in which the sums of a directory are, in the form of
// sha256sum(1); signatureName has its signature, as minisign(1) names it.
const (
	sumsName      = "SHA256SUMS"
	signatureName = sumsName + ".minisig"
)

// writeSums writes the sums of all files of a directory, by name.
func writeSums(dir string) error {
	names, err := released(dir)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, name := range names {
		sum, err := sumOf(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(dir, sumsName), text.Bytes(), 0o644)
}

// released are the names of a directory's files that have a sum, sorted.
func released(dir string) (names []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("finding what is released: %w", err)
	}
	for _, f := range files {
		if f.Type().IsRegular() && f.Name() != sumsName && f.Name() != signatureName {
			names = append(names, f.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there are no files in %s: run `make dist` first", dir)
	}
	return names, nil
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// checkSums compares all files of a directory with the text of their sums: none
// differs, none is missing, and there is none without a sum.
func checkSums(dir string, text []byte) error {
	want := make(map[string]string)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok || name != filepath.Base(name) {
			return fmt.Errorf("%s has the line %q, which is no sum of a file beside it", sumsName, lines.Text())
		}
		want[name] = sum
	}
	names, err := released(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		sum, err := sumOf(filepath.Join(dir, name))
		if err == nil && want[name] != sum {
			err = fmt.Errorf("%s is not the file that was signed: download it again, from the project", name)
		}
		errs = append(errs, err)
		delete(want, name)
	}
	for name := range want {
		errs = append(errs, fmt.Errorf("%s is missing: download it too", name))
	}
	return errors.Join(errs...)
}
