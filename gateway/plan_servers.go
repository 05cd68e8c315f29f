package gateway

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"tunic/gateway/describe"
	"tunic/gateway/managed"
)

// diffServers lists what is other of the managed servers, and of their
// configuration.
func diffServers(before, after []managed.Spec) (list []string) {
	for _, s := range before {
		if specOf(after, s.Name) == nil {
			list = append(list, "- server "+s.Name)
		}
	}
	for _, s := range after {
		was := specOf(before, s.Name)
		if was == nil {
			list = append(list, "+ server "+s.Name)
			continue
		}
		list = append(list, diffServer(*was, s)...)
	}
	return list
}

func diffServer(was, s managed.Spec) []string {
	what := "server " + s.Name + " "
	list := diffLines(what, baseNames(was.Files), baseNames(s.Files))
	for _, f := range s.Files {
		i := slices.IndexFunc(was.Files, func(old managed.File) bool { return old.Path == f.Path })
		if i >= 0 {
			list = append(list, diffFile(what+filepath.Base(f.Path), was.Files[i], f)...)
		}
	}
	was.Files, s.Files = nil, nil
	return append(list, diffLines("", describe.Lines(what, was), describe.Lines(what, s))...)
}

func baseNames(files []managed.File) (list []string) {
	for _, f := range files {
		list = append(list, filepath.Base(f.Path))
	}
	return list
}

// diffFile lists the lines that go and come; of a file with keys or passwords in
// it only that it is another.
func diffFile(what string, was, f managed.File) (list []string) {
	if was.Text == f.Text && reflect.DeepEqual(was.Newer, f.Newer) && was.Change == f.Change {
		return nil
	}
	if name := filepath.Base(f.Path); strings.Contains(name, ".conf") || strings.HasSuffix(name, ".lua") || name == "motd" {
		list = diffLines(what+": ", shown(was.Text), shown(f.Text))
	}
	if len(list) == 0 {
		return []string{"~ " + what}
	}
	return list
}

// shown are the lines of a text, without what follows the words for a secret.
func shown(text string) (list []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, "=")
		if strings.HasSuffix(strings.TrimSpace(key), "Salt") || strings.HasSuffix(strings.TrimSpace(key), "Password") {
			line = key + "= " + describe.Hidden(value)
		}
		if line != "" {
			list = append(list, line)
		}
	}
	return list
}

func specOf(list []managed.Spec, name string) *managed.Spec {
	if i := slices.IndexFunc(list, func(s managed.Spec) bool { return s.Name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}
