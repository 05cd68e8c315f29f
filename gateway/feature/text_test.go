package feature

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// whole is a state in which every field is set, but the rules, whose lines package
// rules compares.
func whole() *Desired {
	d := new(Desired)
	for i, v := 0, reflect.ValueOf(d).Elem(); i < v.NumField(); i++ {
		if v.Type().Field(i).Name != "Rules" {
			fill(v.Field(i), "geheim-1")
		}
	}
	d.Tor.SingleHop, d.Fast.SingleHop = false, true
	return d
}

// notLines are fields without a line of their own: what package rules compares,
// what a line of a bridge has already, and what a tor for onions alone has not.
var notLines = []string{"Rules", "Tor.SingleHop", "Tor.Bridges[0].Transport", "Fast.SingleHop", "Fast.TransPort",
	"Fast.SocksPort", "Fast.Socks", "Fast.DNSPort",
	"Fast.NoIPv6", "Fast.Virtual", "Fast.Bridges", "Fast.Plugins", "Fast.Exits", "Fast.IsolateDestinations", "Fast.Maps"}

// Whatever differs between two states is a change, and no secret is shown.
func TestEveryFieldIsInTheLines(t *testing.T) {
	d, same := whole(), whole()
	if !d.Equal(*same) || d.String() != same.String() {
		t.Fatal("the same state is another")
	}
	base := slices.Concat(d.torParts(), d.otherParts())
	n := 0
	eachLeaf(reflect.ValueOf(d).Elem(), func(path string, leaf reflect.Value) {
		if slices.ContainsFunc(notLines, func(f string) bool { return strings.HasPrefix(path, "Desired."+f) }) {
			return
		}
		n++
		old := reflect.New(leaf.Type()).Elem()
		old.Set(leaf)
		fill(leaf, "geheim-2")
		if len(diffParts(base, slices.Concat(d.torParts(), d.otherParts()))) == 0 || d.Equal(*same) {
			t.Errorf("a change of %s is none", path)
		}
		leaf.Set(old)
	})
	if n < 150 {
		t.Errorf("only %d fields were tried", n)
	}
	text := d.String()
	for _, field := range []string{"Password ", "Secret ", "TLS Key ", "Record ", "Invite ", "Commit ", "Token ", "by the key "} {
		if at := strings.Index(text, field); at < 0 || !strings.HasPrefix(text[at+len(field):], "(hidden)") {
			t.Errorf("%sis not hidden in\n%s", field, text)
		}
	}
}

// fill gives every field a value that depends on the word.
func fill(v reflect.Value, word string) {
	n := int64(word[len(word)-1])
	switch v.Kind() {
	case reflect.String:
		v.SetString(word)
	case reflect.Bool:
		v.SetBool(n%2 == 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Interface:
		v.Set(reflect.ValueOf(errors.New(word)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), word)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), word)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), word)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, word)
		fill(value, word)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if u, ok := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
			for _, text := range []string{fmt.Sprintf("192.0.2.%d", n), fmt.Sprintf("192.0.2.%d/32", n),
				fmt.Sprintf("192.0.2.%d:80", n), time.Unix(n, 0).Format(time.RFC3339)} {
				if u.UnmarshalText([]byte(text)) == nil {
					return
				}
			}
		}
		for i := range v.NumField() {
			fill(v.Field(i), word)
		}
	}
}

// eachLeaf calls f with every value that has no parts.
func eachLeaf(v reflect.Value, f func(path string, leaf reflect.Value)) {
	leaves(v.Type().Name(), v, f)
}

func leaves(path string, v reflect.Value, f func(string, reflect.Value)) {
	switch {
	case v.Kind() == reflect.Pointer:
		leaves(path, v.Elem(), f)
	case v.Kind() == reflect.Slice && v.Len() > 0:
		leaves(path+"[0]", v.Index(0), f)
	case v.Kind() == reflect.Struct && slices.ContainsFunc(reflect.VisibleFields(v.Type()), reflect.StructField.IsExported):
		for i := range v.NumField() {
			leaves(path+"."+v.Type().Field(i).Name, v.Field(i), f)
		}
	default:
		f(path, v)
	}
}
