package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

// assetFiles are the scripts of the pages for whoever is logged in, with the style of one of
// them. libraries.json says which are others', their versions and licences.
//
//go:embed assets/*.js assets/*.css
var assetFiles embed.FS

// asset is a file for browsers. Its path has its sum, and so it never changes.
type asset struct {
	path   string // "/assets/htmx-d6fdc75f204e.js"
	kind   string // Content-Type
	text   []byte
	packed func() []byte // by gzip, when somebody wants it first
}

// assets are all, by the names of their files. Most verbs need none.
var assets = sync.OnceValue(readAssets)

func readAssets() map[string]*asset {
	all := make(map[string]*asset)
	files, err := fs.Glob(assetFiles, "assets/*")
	for _, file := range files {
		var text []byte
		if text, err = assetFiles.ReadFile(file); err != nil {
			break
		}
		name := path.Base(file)
		all[name] = newAsset(name, text)
	}
	if err != nil {
		panic(fmt.Sprintf("the scripts of the page: %v", err)) // they are of one piece with the program
	}
	return all
}

func newAsset(name string, text []byte) *asset {
	sum := sha256.Sum256(text)
	base, kind, _ := strings.Cut(name, ".")
	a := &asset{path: "/assets/" + base + "-" + hex.EncodeToString(sum[:6]) + "." + kind, kind: "text/javascript; charset=utf-8",
		text: text}
	if kind == "css" {
		a.kind = "text/css; charset=utf-8"
	}
	a.packed = sync.OnceValue(func() []byte {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one there is
		z.Write(text)                                         // a buffer takes all
		z.Close()
		return b.Bytes()
	})
	return a
}

// ServeHTTP hands the file out. Pages themselves are never compressed: there are secrets in
// them beside what others have chosen, and the length would tell of both.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	text := a.text
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		text = a.packed()
	}
	w.Write(text)
}

// Asset is the path of a file for browsers.
func (view) Asset(name string) string { return assets()[name].path }
