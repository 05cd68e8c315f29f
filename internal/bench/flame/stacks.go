package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// frame is a function, and the time that was spent in it when it was called by those above it.
type frame struct {
	name  string
	total time.Duration // with what it calls
	calls map[string]*frame
}

// add counts a stack, the outermost function first.
func (f *frame) add(stack []string, took time.Duration) {
	f.total += took
	if len(stack) == 0 {
		return
	}
	below := f.calls[stack[0]]
	if below == nil {
		below = &frame{name: stack[0], calls: make(map[string]*frame)}
		f.calls[stack[0]] = below
	}
	below.add(stack[1:], took)
}

// below are the functions that this one calls, by their names.
func (f *frame) below() []*frame {
	return slices.SortedFunc(maps.Values(f.calls), func(a, b *frame) int { return strings.Compare(a.name, b.name) })
}

// depth is how many functions are in each other, at most, with this one.
func (f *frame) depth() int {
	deepest := 0
	for _, c := range f.calls {
		deepest = max(deepest, c.depth())
	}
	return deepest + 1
}

// trace is one stack of the text, the innermost function first.
type trace struct {
	took  time.Duration
	stack []string
}

// read reads the stacks that pprof prints: a time and the innermost function in the first line,
// one function a line, and a line of dashes before each.
func read(in io.Reader) (*frame, error) {
	root := &frame{name: "all", calls: make(map[string]*frame)}
	var t *trace // nil: before the first line of dashes
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasPrefix(line, "-----"):
			root.count(t)
			t = new(trace)
		case t == nil || line == "":
		case t.stack == nil:
			took, name, _ := strings.Cut(line, " ")
			d, err := time.ParseDuration(took)
			if err != nil {
				return nil, fmt.Errorf("line %d: %q is no time: is this `go tool pprof -traces` of processor time?", n, took)
			}
			t.took, t.stack = d, []string{function(name)}
		default:
			t.stack = append(t.stack, function(line))
		}
	}
	root.count(t)
	if root.total == 0 {
		return nil, errors.Join(lines.Err(), errors.New("there is no stack in it"))
	}
	return root, lines.Err()
}

func (f *frame) count(t *trace) {
	if t == nil || len(t.stack) == 0 {
		return
	}
	slices.Reverse(t.stack)
	f.add(t.stack, t.took)
}

// function is the name in a line.
func function(line string) string {
	return strings.TrimSuffix(strings.TrimSpace(line), " (inline)")
}
