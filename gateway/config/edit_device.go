package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// DeviceEdit says what of a device's file should change. An empty field stays
// as it is.
type DeviceEdit struct {
	Name   string
	MAC    string // as ParseMAC returns it
	Policy Policy
}

// ParseMAC returns an Ethernet address of one host in lower case with colons.
func ParseMAC(text string) (string, error) {
	mac, p := parseMAC(text)
	if p != nil {
		return "", Error{Msg: p.msg, Hint: p.hint}
	}
	return mac, nil
}

// ParsePolicy returns the policy that a person wrote.
func ParsePolicy(text string) (Policy, error) {
	known := []string{string(PolicyTor), string(PolicyOnion), string(PolicyDirect), string(PolicyBlock)}
	if !slices.Contains(known, text) {
		p := problemf(didYouMean(text, known), "%q is none of %s", text, strings.Join(known, ", "))
		return "", Error{Msg: p.msg, Hint: p.hint}
	}
	return Policy(text), nil
}

// CheckDeviceName says what is wrong with the name of a device.
func CheckDeviceName(name string) error {
	if p := checkName(name); p != nil {
		return Error{Msg: p.msg, Hint: p.hint}
	}
	return nil
}

// NamingHint says how a device gets the name that somebody has used for one.
func NamingHint(name string) string {
	if checkName(name) != nil {
		name = "NAME"
	}
	return "`tunic devices` lists them with their addresses, and this gives one a name: tunic device " + name + " --mac ADDRESS"
}

// EditDevice changes the file of a device, or makes it. Only the lines that must change do: comments and order stay.
// After a power cut there is either the old or the new file. Callers take
// turns, and Load afterwards: it says whether the file is right.
func EditDevice(p Paths, e DeviceEdit) error {
	if err := CheckDeviceName(e.Name); err != nil {
		return err
	}
	path := p.DeviceFile(e.Name)
	old, err := readFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the file of device %q: %w", e.Name, err)
	}
	text := string(old)
	for _, change := range []struct{ key, value string }{{"mac", e.MAC}, {"policy", string(e.Policy)}} {
		if change.value == "" {
			continue
		}
		if text, err = setText(text, change.key, change.value); err != nil {
			return changing(path, err)
		}
	}
	if text == string(old) {
		return nil
	}
	return writeFile(path, []byte(text))
}

// errByHand is returned for lines that only a person can change safely.
var errByHand = errors.New("it is written in a way that only its owner can change: edit it, then run `tunic reload`")

// textLine is a key of the top table with a text on one line: what stands
// before the text, the text, and what stands after it.
var textLine = regexp.MustCompile(`^(\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')(\s*(?:#.*)?)$`)

// setText gives a key of the top table another value. The key, if it is there,
// keeps its line, and the line its comment; else it gets a line of its own,
// before the first table.
func setText(text, key, value string) (string, error) {
	doc, top := parseDocument("", []byte(text))
	if len(doc.errs) > 0 {
		return "", doc.errs
	}
	changed, err := addText(text, key, value), error(nil)
	if top.has(key) {
		changed, err = replaceText(text, doc.at[key].line, value)
	}
	if err != nil {
		return "", err
	}
	if _, top := parseDocument("", []byte(changed)); top.values[key] != value {
		return "", errByHand
	}
	return changed, nil
}

func addText(text, key, value string) string {
	return addLine(text, fmt.Sprintf("%s = %q", key, value))
}

// replaceText changes the value on the n-th line.
func replaceText(text string, n int, value string) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	if n < 1 || n > len(lines) {
		return "", errByHand
	}
	line := lines[n-1]
	bare := strings.TrimRight(line, "\r\n")
	parts := textLine.FindStringSubmatch(bare)
	if parts == nil {
		return "", errByHand
	}
	lines[n-1] = parts[1] + fmt.Sprintf("%q", value) + parts[3] + line[len(bare):]
	return strings.Join(lines, ""), nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
