package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// bill is a bill of materials, CycloneDX 1.6 (ECMA-424) in JSON.
type bill struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Ref     string    `json:"bom-ref"`
	Type    string    `json:"type"`
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Hashes  []hashSum `json:"hashes,omitempty"`
	PURL    string    `json:"purl,omitempty"`
	// Properties are what CycloneDX has no place for: how the program was built.
	Properties []property `json:"properties,omitempty"`
}

type hashSum struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hexadecimal
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

func printBill(out io.Writer, args []string) error {
	at, err := moment(args[2])
	if err != nil {
		return err
	}
	b, err := billOf(args[0], args[1], at)
	if err != nil {
		return fmt.Errorf("making the bill of materials of %s: %w", args[0], err)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(b)
}

// billOf reads out of a program itself which modules it was linked with; the scripts of
// the page are those of the source.
func billOf(program, version string, at time.Time) (bill, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return bill{}, err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return bill{}, err
	}
	sum := sha256.Sum256(text)
	main := component{Ref: "pkg:golang/" + info.Main.Path + "@" + version, Type: "application", Name: "tunic", Version: version,
		Hashes: []hashSum{{"SHA-256", hex.EncodeToString(sum[:])}}}
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "CGO_ENABLED" || strings.HasPrefix(s.Key, "GOAR") {
			main.Properties = append(main.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	b := bill{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Serial: serial(sum), Version: 1,
		Metadata: metadata{at.UTC().Format(time.RFC3339), main}}
	number := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = append(b.Components, component{Ref: "pkg:golang/std@" + number, Type: "library", Name: "std", Version: number,
		PURL: "pkg:golang/std@" + number})
	for _, m := range info.Deps {
		c, err := library(cmp.Or(m.Replace, m))
		if err != nil {
			return bill{}, err
		}
		b.Components = append(b.Components, c)
	}
	list, _, err := scripts()
	if err != nil {
		return bill{}, err
	}
	for _, s := range list {
		b.Components = append(b.Components, s.component())
	}
	all := dependency{Ref: main.Ref}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{all}
	return b, nil
}

// library is a module with the sum that go.sum has of it: h1 is the base64 of a
// SHA-256 over the sums of its files (golang.org/x/mod/sumdb/dirhash).
func library(m *debug.Module) (component, error) {
	sum, ok := strings.CutPrefix(m.Sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(sum)
	if !ok || err != nil || len(raw) != sha256.Size {
		return component{}, fmt.Errorf("the module %s %s has no sum, %q: build it from a released version", m.Path, m.Version, m.Sum)
	}
	purl := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	return component{Ref: purl, Type: "library", Name: m.Path, Version: m.Version, PURL: purl,
		Hashes: []hashSum{{"SHA-256", hex.EncodeToString(raw)}}}, nil
}

// serial is a UUID of version 8 (RFC 9562, 5.8) made of the program's sum: the
// same program has the same bill.
func serial(sum [sha256.Size]byte) string {
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
