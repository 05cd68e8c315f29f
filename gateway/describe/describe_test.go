package describe

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
)

func TestLines(t *testing.T) {
	type part struct {
		Name     string
		Password string
		Wait     time.Duration
	}
	type whole struct {
		N      int
		Part   *part
		Parts  []part
		Hosts  map[string][]int
		Nobody *part
	}
	got := Lines("x", whole{N: 1, Part: &part{"a", "geheim", time.Minute}, Parts: []part{{Name: "b"}}, Hosts: map[string][]int{"d": {2}, "c": {3, 4}}})
	want := []string{"x N 1", "x Part", "x Part Name a", "x Part Password " + Hidden("geheim"), "x Part Wait 1m0s", "x Parts { Name b}", "x Hosts c [3, 4]", "x Hosts d [2]"}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "{ ", "{")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Lines("x", struct{ CA string }{"one\ntwo"}); !slices.Equal(got, []string{`x CA "one\ntwo"`}) {
		t.Errorf("%q", got)
	}
	if Hidden("a") == Hidden("b") || Hidden("a") != Hidden(strings.TrimSpace(" a")) || strings.Contains(Hidden("geheim"), "geheim") {
		t.Error("a hidden value does not stand for itself")
	}
}

// Whatever changes in what serve is told is in the lines, and no secret.
func TestEveryFieldIsInTheLines(t *testing.T) {
	full := reflect.New(reflect.TypeFor[link.Desired]()).Elem()
	fill(full, "geheim-1")
	base := Lines("serve", full.Interface())
	n := 0
	eachLeaf(full, func(path string, leaf reflect.Value) {
		n++
		old := reflect.New(leaf.Type()).Elem()
		old.Set(leaf)
		fill(leaf, "geheim-2")
		if slices.Equal(base, Lines("serve", full.Interface())) {
			t.Errorf("a change of %s is in no line", path)
		}
		leaf.Set(old)
	})
	if n < 80 {
		t.Errorf("only %d fields were tried", n)
	}
	text := strings.Join(base, "\n")
	for _, field := range []string{"Password ", "Secret ", "TLS Key ", "Record ", "Invite ", "Commit ", "Token "} {
		if at := strings.Index(text, field); at < 0 || !strings.HasPrefix(text[at+len(field):], "(hidden, ") {
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
			for _, text := range []string{fmt.Sprintf("192.0.2.%d", n), fmt.Sprintf("192.0.2.%d/32", n), fmt.Sprintf("192.0.2.%d:80", n), time.Unix(n, 0).Format(time.RFC3339)} {
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
	case v.Kind() == reflect.Slice:
		leaves(path+"[0]", v.Index(0), f)
	case v.Kind() == reflect.Struct && !plain(v):
		for i := range v.NumField() {
			leaves(path+"."+v.Type().Field(i).Name, v.Field(i), f)
		}
	default:
		f(path, v)
	}
}
