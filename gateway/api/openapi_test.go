package api

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the document")

type object = map[string]any

// schemas collects the shapes of a document.
type schemas object

// of describes a shape as JSON Schema (2020-12), as encoding/json writes it.
func (s schemas) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[time.Duration]():
		return object{"type": "integer", "description": "nanoseconds"}
	case reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if t.NumField() == 0 {
			return object{"type": "object"}
		}
		s.add(t)
		return object{"$ref": "#/components/schemas/" + t.Name()}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float64:
		return object{"type": "number"}
	}
	if t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 {
		return object{"type": "integer"}
	}
	panic("no shape for " + t.String())
}

func (s schemas) add(t reflect.Type) {
	if _, ok := s[t.Name()]; ok {
		return
	}
	properties, required := object{}, []string{}
	s[t.Name()] = nil // a shape may have itself in it
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" || name == "-" {
			continue
		}
		properties[name] = s.of(f.Type)
		if options == "" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	s[t.Name()] = object{"type": "object", "properties": properties, "required": required}
}

// document is what the handlers are, in OpenAPI 3.1.
func document(routes []route) object {
	shapes, paths := schemas{}, object{}
	body := func(t reflect.Type) object { return object{"application/json": object{"schema": shapes.of(t)}} }
	for _, r := range routes {
		operation := object{"summary": r.about, "responses": object{
			"200": object{"description": "done", "content": body(r.answered)},
			"409": object{"description": "nothing was changed, and why", "content": body(reflect.TypeFor[Problem]())},
		}}
		if r.asked != nil && r.asked.NumField() > 0 {
			operation["requestBody"] = object{"required": true, "content": body(r.asked)}
		}
		paths[r.path] = object{strings.ToLower(r.method): operation}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "tunic", "version": "0",
			"description": "The daemon's local interface: HTTP on a unix socket that only root may open. " +
				"Every verb of the command line goes through it. Written by `go test ./gateway/api -update`."},
		"paths":      paths,
		"components": object{"schemas": shapes},
	}
}

// The document is what the handlers are, and no two of them have one path.
func TestDocument(t *testing.T) {
	const path = "../../docs/openapi.json"
	f := &fake{}
	routes := Parts{f, f, f, f, f, f, f, f, f, f, f, f}.routes()
	seen := make(map[string]bool)
	for _, r := range routes {
		if seen[r.path] || r.about == "" || (r.method == http.MethodGet) != (r.asked == nil) {
			t.Errorf("%s %s: a second one, or not described", r.method, r.path)
		}
		seen[r.path] = true
	}
	text, err := json.MarshalIndent(document(routes), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != string(text) {
		t.Errorf("%s is not what the handlers are (%v): go test ./gateway/api -update", path, err)
	}
	for _, p := range reflect.VisibleFields(reflect.TypeFor[Parts]()) {
		if n := p.Type.NumMethod(); n > 8 {
			t.Errorf("the part %s has %d methods", p.Name, n)
		}
	}
}
