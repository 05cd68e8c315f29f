package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The picture, in pixels.
const (
	width, margin = 1200, 10
	row           = 17
	head          = 58
	letter        = 6.6 // of the monospaced font
	thinnest      = 4.0 // what is narrower is left out, with all that it calls
)

// owner is whose a function is, by the beginning of its name.
type owner struct{ words, colour string }

var (
	own     = owner{"tunic", "#e69f00"}
	kernel  = owner{"system calls", "#d55e00"}
	runtime = owner{"Go's runtime", "#9ecae1"}
	rest    = owner{"libraries", "#b8e0b0"}
)

func ownerOf(name string) owner {
	switch {
	case strings.HasPrefix(name, "tunic/"):
		return own
	case strings.HasPrefix(name, "syscall."), strings.HasPrefix(name, "internal/runtime/syscall"), strings.Contains(name, "x/sys/unix."),
		name == "runtime.futex", name == "runtime.usleep", name == "runtime.madvise", name == "runtime.tgkill":
		return kernel
	case strings.HasPrefix(name, "runtime."), strings.HasPrefix(name, "internal/runtime/"):
		return runtime
	}
	return rest
}

// draw writes the graph: who calls stands below whom it calls, as wide as its time.
func draw(out io.Writer, title string, root *frame) {
	depth := root.depth()
	height := head + depth*row + margin
	const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="monospace" font-size="11">` + "\n"
	fmt.Fprintf(out, open, width, height)
	fmt.Fprintln(out, `<rect width="100%" height="100%" fill="#fff"/>`)
	fmt.Fprintf(out, "<text x=\"%d\" y=\"22\" font-size=\"15\" font-family=\"sans-serif\">%s</text>\n", margin, escaped(title))
	for i, o := range []owner{own, rest, runtime, kernel} {
		x := margin + i*150
		fmt.Fprintf(out, "<rect x=\"%d\" y=\"33\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"43\">%s</text>\n", x, o.colour,
			x+16, escaped(o.words))
	}
	p := picture{out, float64(width-2*margin) / float64(root.total), height - margin, root}
	p.frame(root, margin, 0)
	fmt.Fprintln(out, "</svg>")
}

// picture is where frames go.
type picture struct {
	out    io.Writer
	scale  float64 // pixels for each nanosecond
	bottom int
	root   *frame
}

func (p picture) frame(f *frame, x float64, level int) {
	wide := float64(f.total) * p.scale
	if wide < thinnest {
		return
	}
	y := p.bottom - (level+1)*row
	fmt.Fprintf(p.out, "<g><title>%s: %.1f %%</title>", escaped(f.name), 100*float64(f.total)/float64(p.root.total))
	fmt.Fprintf(p.out, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="#fff" stroke-width="0.5"/>`,
		x, y, wide, row-1, ownerOf(f.name).colour)
	if words := shortened(f.name, int((wide-4)/letter)); words != "" {
		fmt.Fprintf(p.out, "<text x=\"%.1f\" y=\"%d\">%s</text>", x+2, y+row-5, escaped(words))
	}
	fmt.Fprintln(p.out, "</g>")
	for _, c := range f.below() {
		p.frame(c, x, level+1)
		x += float64(c.total) * p.scale
	}
}

// shortened is the end of a name that has room in so many letters; "": none has.
func shortened(name string, room int) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case room < 3:
		return ""
	case len(name) > room:
		return name[:room-2] + ".."
	}
	return name
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes all
	return b.String()
}
