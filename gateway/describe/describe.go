// Package describe writes plain values out in lines, so that two of them can be
// compared. It is for `tunic plan`: whatever differs between two values is in
// their lines, and no secret is; for people a line is as Shown returns it.
package describe

import (
	"fmt"
	"hash/maphash"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Lines writes a value out, one line for each part of it that is set: a field of
// a structure, or an element of a list or a map. Each begins with the name. A
// secret is there as Hidden says it.
func Lines(name string, value any) []string {
	return lines(name, reflect.ValueOf(value))
}

func lines(path string, v reflect.Value) (list []string) {
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return append([]string{path}, lines(path, v.Elem())...)
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			list = append(list, path+" "+words(key)+" "+words(v.MapIndex(key)))
		}
		slices.Sort(list)
	case v.Kind() == reflect.Slice && !isBytes(v):
		for i := range v.Len() {
			list = append(list, path+" "+words(v.Index(i)))
		}
	case plain(v):
		if !v.IsZero() {
			list = append(list, path+" "+words(v))
		}
	default:
		for i := range v.NumField() {
			list = append(list, field(path, v, i)...)
		}
	}
	return list
}

// field writes out one field of a structure.
func field(path string, v reflect.Value, i int) []string {
	f := v.Type().Field(i)
	path += " " + f.Name
	if secret(v.Type(), f.Name) && !v.Field(i).IsZero() {
		return []string{path + " " + Hidden(v.Field(i).Interface())}
	}
	return lines(path, v.Field(i))
}

// words writes a value on one line.
func words(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return words(v.Elem())
	case v.Kind() == reflect.Slice && !isBytes(v):
		var list []string
		for i := range v.Len() {
			list = append(list, words(v.Index(i)))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case isBytes(v):
		return fmt.Sprintf("%x", v.Interface())
	case plain(v):
		return oneLine(fmt.Sprint(v.Interface()))
	}
	var list []string
	for i := range v.NumField() {
		list = append(list, field("", v, i)...)
	}
	return "{" + strings.TrimSpace(strings.Join(list, ",")) + "}"
}

// isBytes reports whether a value is bytes, such as a key's, without words of its own.
func isBytes(v reflect.Value) bool {
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array || v.Type().Elem().Kind() != reflect.Uint8 {
		return false
	}
	_, speaks := v.Interface().(fmt.Stringer)
	return !speaks
}

// oneLine quotes a text that has lines of its own, as a certificate does, or bytes that are
// no text, as the first words of a protocol may have.
func oneLine(text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return strconv.Quote(text)
	}
	return text
}

// plain reports whether a value is written as it says itself: it is no structure,
// or one whose fields are its own affair, such as an address or a time. One of
// ours that hides a secret when it is printed would hide a change too.
func plain(v reflect.Value) bool {
	return v.Kind() != reflect.Struct || !slices.ContainsFunc(reflect.VisibleFields(v.Type()), reflect.StructField.IsExported)
}

// secret reports whether a field must not be shown.
func secret(t reflect.Type, field string) bool {
	return slices.Contains([]string{"Record", "Secret", "Password", "Invite", "Commit", "Token"}, field) ||
		t.Name() == "TLS" && field == "Key"
}

var hiding = maphash.MakeSeed() // other in each process: nobody can compare guesses

// Hidden stands for a secret: for the same one always the same, in one process.
func Hidden(value any) string {
	return fmt.Sprintf("(hidden, %016x)", maphash.String(hiding, fmt.Sprintf("%#v", value)))
}

// Shown is a line for people: hidden is hidden, whatever it is.
func Shown(line string) string { return hash.ReplaceAllString(line, "(hidden)") }

var hash = regexp.MustCompile(`\(hidden, [0-9a-f]{16}\)`)
