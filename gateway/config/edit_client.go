package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// ClientEdit says what of an onion's file should change.
type ClientEdit struct {
	Onion   string
	Private bool // make it private; it is never made public
	Add     []Client
	Remove  []string // names or keys: see Client.Is
}

// EditClients changes who may find an onion. Only the lines that must change do: comments and order stay. After a power cut
// there is either the old or the new file. A client that is there already is no
// mistake, one to be removed that is not there is. Callers take turns, and Load
// afterwards: it says whether the file is right.
func EditClients(p Paths, e ClientEdit) error {
	path, err := onionFile(p, e.Onion)
	if err != nil {
		return err
	}
	old, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noOnion(e.Onion)
	case err != nil:
		return fmt.Errorf("reading the file of onion %q: %w", e.Onion, err)
	}
	text, err := editClients(e, path, string(old))
	if err != nil {
		return changing(path, err)
	}
	if text == string(old) {
		return nil
	}
	return writeFile(path, []byte(text))
}

// editClients returns the changed text of an onion's file.
func editClients(e ClientEdit, path, text string) (string, error) {
	o, err := parseOnion(e.Onion, path, []byte(text))
	if err != nil {
		return "", err
	}
	if len(e.Add) > 0 && !e.Private && !o.Private && (o.Name != HomeOnion || o.Public) {
		return "", Error{File: path, Msg: "the onion " + e.Onion + " is for everybody who knows its address, so there is nothing to grant",
			Hint: "make it private, for its clients alone: tunic grant " + e.Onion + " CLIENT --private"}
	}
	want := slices.Clone(o.Clients)
	for _, word := range e.Remove {
		i := slices.IndexFunc(want, func(c Client) bool { return c.Is(word) })
		if i < 0 {
			return "", noClient{e.Onion, word}
		}
		if text, err = cutElement(text, "clients", i); err != nil {
			return "", err
		}
		want = slices.Delete(want, i, i+1)
	}
	for _, c := range e.Add {
		if slices.Contains(want, c) {
			continue
		}
		if p := already(want, c); p != nil {
			return "", Error{Key: c.String(), Msg: p.msg, Hint: p.hint}
		}
		if text, err = addElement(text, "clients", c.String()); err != nil {
			return "", err
		}
		want = append(want, c)
	}
	if e.Private && !o.Private {
		if text, err = setTrue(text, "private"); err != nil {
			return "", err
		}
	}
	changed, err := parseOnion(e.Onion, path, []byte(text))
	if err != nil {
		return "", err
	}
	if !slices.Equal(changed.Clients, want) || changed.Private != (o.Private || e.Private) || !slices.Equal(changed.Ports, o.Ports) {
		return "", errByHand
	}
	return text, nil
}

// ForgetClient removes a friend from all onions that name them, and returns
// their names. Files that name nobody so are not touched.
func ForgetClient(p Paths, peer string) (onions []string, err error) {
	return editAllClients(p, peer, ClientEdit{Remove: []string{peer}})
}

// RenameClient gives a friend another name in all onions that name them.
func RenameClient(p Paths, from, to string) (onions []string, err error) {
	return editAllClients(p, from, ClientEdit{Remove: []string{from}, Add: []Client{{Peer: to}}})
}

// editAllClients makes the same edit in every onion that names a friend.
func editAllClients(p Paths, peer string, edit ClientEdit) (onions []string, err error) {
	paths, errs := listNamed(p.OnionDir())
	if len(errs) > 0 {
		return nil, errs
	}
	for _, path := range paths {
		text, err := readFile(path)
		if err != nil {
			return onions, fmt.Errorf("reading %s: %w", path, err)
		}
		o, err := parseOnion(stem(path), path, text)
		if err != nil {
			return onions, err
		}
		if !slices.ContainsFunc(o.Clients, func(c Client) bool { return c.Peer == peer }) {
			continue
		}
		edit.Onion = o.Name
		if err := EditClients(p, edit); err != nil {
			return onions, err
		}
		onions = append(onions, filepath.Base(o.Name))
	}
	return onions, nil
}

// noClient is the error for somebody who could not find the onion anyway.
type noClient struct{ onion, word string }

func (n noClient) Error() string {
	return fmt.Sprintf("%q is no client of the onion %s", n.word, n.onion)
}
func (n noClient) Is(target error) bool { return target == fs.ErrNotExist }

// setTrue gives a key of the top table the value true.
func setTrue(text, key string) (string, error) {
	doc, top := parseDocument("", []byte(text))
	if !top.has(key) {
		return addLine(text, key+" = true"), nil
	}
	lines := strings.SplitAfter(text, "\n")
	n := doc.at[key].line - 1
	if n < 0 || n >= len(lines) || strings.Count(lines[n], "false") != 1 {
		return "", errByHand
	}
	lines[n] = strings.Replace(lines[n], "false", "true", 1)
	return strings.Join(lines, ""), nil
}
