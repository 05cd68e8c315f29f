package bench

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Point is what something costs in a house that has so many.
type Point struct{ Count, Value float64 }

// Curve is how a cost grows with the number of something.
type Curve struct {
	Name   string // as of what there is so many of: "devices"
	Points []Point
}

// The picture, in pixels.
const (
	width, height = 640, 300
	left, right   = 70, 620
	top, bottom   = 40, 260
)

var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// Plot draws curves as SVG, both axes in powers of ten: what is flat is level, what is
// linear goes up by one for one.
func Plot(out io.Writer, title, unit string, curves []Curve) error {
	last := 1.0
	for _, c := range curves {
		for _, p := range c.Points {
			last = max(last, p.Count)
		}
	}
	a := axis{at: func(v float64) float64 { return math.Log10(v) / math.Log10(last) }, label: number, dots: true}
	for n := 1.0; n <= last; n *= 10 {
		a.ticks = append(a.ticks, n)
	}
	return plot(out, title, unit, curves, a)
}

// PlotTime draws curves whose Count is a time in minutes, from 0 to end: time is linear there,
// values are in powers of ten. A value of 0 has no place on such an axis and is left out.
func PlotTime(out io.Writer, title, unit string, end float64, curves []Curve) error {
	a := axis{at: func(v float64) float64 { return v / end }, label: func(v float64) string { return number(v) + " min" }}
	for part := range 6 {
		a.ticks = append(a.ticks, float64(part)*end/5)
	}
	seen := slices.Clone(curves)
	for i, c := range seen {
		seen[i].Points = slices.DeleteFunc(slices.Clone(c.Points), func(p Point) bool { return p.Value <= 0 })
	}
	return plot(out, title, unit, seen, a)
}

// axis is the level one.
type axis struct {
	at    func(v float64) float64 // the place of a number, from 0 to 1
	ticks []float64
	label func(v float64) string
	dots  bool // whether each point has one
}

func plot(out io.Writer, title, unit string, curves []Curve, a axis) error {
	least, most := math.Inf(1), 0.0
	for _, c := range curves {
		for _, p := range c.Points {
			least, most = min(least, p.Value), max(most, p.Value)
		}
	}
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	high = max(high, low+1)
	x := func(v float64) float64 { return left + (right-left)*a.at(v) }
	y := func(v float64) float64 { return bottom - (bottom-top)*(math.Log10(v)-low)/(high-low) }
	var b strings.Builder
	const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">` + "\n"
	fmt.Fprintf(&b, open, width, height)
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="#fff"/>`)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"20\" font-size=\"14\">%s</text>\n", left, title)
	for e := low; e <= high; e++ {
		line(&b, left, y(math.Pow(10, e)), right, "end", left-6, number(math.Pow(10, e))+" "+unit)
	}
	for _, n := range a.ticks {
		fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x(n), bottom+18, a.label(n))
	}
	for i, c := range curves {
		colour := colours[i%len(colours)]
		points := slices.SortedFunc(slices.Values(c.Points), func(a, b Point) int { return cmp.Compare(a.Count, b.Count) })
		var path strings.Builder
		for _, p := range points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x(p.Count), y(p.Value))
			if a.dots {
				fmt.Fprintf(&b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x(p.Count), y(p.Value), colour)
			}
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.TrimSpace(path.String()), colour)
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", left+i*140, height-6, colour, c.Name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// line draws a level line with its label.
func line(out io.Writer, x1 int, y float64, x2 int, anchor string, at int, label string) {
	fmt.Fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ccc\"/>\n", x1, y, x2, y)
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", at, y+4, anchor, label)
}

// Curves is the variable of the environment with the directory into which pictures go.
const Curves = "TUNIC_CURVES"

// Sizes are the numbers for which a cost is measured.
var Sizes = []int{1, 10, 100, 1000}

// Draw logs curves, and writes the picture NAME.svg if there is a directory for it.
func Draw(t testing.TB, name, title, unit string, curves []Curve) {
	t.Helper()
	for _, c := range curves {
		t.Logf("%s, %s, %s: %v", title, unit, c.Name, c.Points)
	}
	draw(t, name, func(out io.Writer) error { return Plot(out, title, unit, curves) })
}

// DrawTime writes the picture NAME.svg of PlotTime if there is a directory for it.
func DrawTime(t testing.TB, name, title, unit string, end float64, curves []Curve) {
	t.Helper()
	draw(t, name, func(out io.Writer) error { return PlotTime(out, title, unit, end, curves) })
}

func draw(t testing.TB, name string, plot func(io.Writer) error) {
	t.Helper()
	dir := os.Getenv(Curves)
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, name+".svg"))
	if err == nil {
		err = errors.Join(plot(f), f.Close())
	}
	if err != nil {
		t.Error(err)
	}
}
