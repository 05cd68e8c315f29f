package main

import (
	"strings"
	"testing"
	"time"
)

const traces = `File: tunic
Type: cpu
Time: 2026-11-30 07:00:00 UTC
Duration: 30.01s, Total samples = 1.04s ( 3.47%)
-----------+-------------------------------------------------------
     1.01s   syscall.Syscall6
             tunic/gateway/splice.move (inline)
             tunic/gateway/splice.(*Poller[go.shape.int]).run
-----------+-------------------------------------------------------
      20ms   runtime.futex
             tunic/gateway/splice.(*Poller[go.shape.int]).run
-----------+-------------------------------------------------------
      10ms   runtime.futex
             runtime.mstart
-----------+-------------------------------------------------------
`

func TestRead(t *testing.T) {
	root, err := read(strings.NewReader(traces))
	if err != nil {
		t.Fatal(err)
	}
	if root.total != 1040*time.Millisecond || root.depth() != 4 || len(root.below()) != 2 {
		t.Errorf("%v in all, %d deep, %d at the bottom", root.total, root.depth(), len(root.below()))
	}
	run := root.calls["tunic/gateway/splice.(*Poller[go.shape.int]).run"]
	if run == nil || run.total != 1030*time.Millisecond ||
		run.calls["tunic/gateway/splice.move"].calls["syscall.Syscall6"].total != 1010*time.Millisecond {
		t.Errorf("the poller: %+v", run)
	}
	for _, wrong := range []string{"", "Type: cpu\n", "-----\n 12kB   bytes.growSlice\n", "-----\n\n-----\n"} {
		if _, err := read(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was read", wrong)
		}
	}
}

func TestDraw(t *testing.T) {
	root, err := read(strings.NewReader(traces))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	draw(&out, "a <stream>", root)
	text := out.String()
	for _, want := range []string{"a &lt;stream&gt;", ">tunic/gateway/splice.move: 97.1 %<", `fill="#e69f00"`, `fill="#d55e00"`,
		">splice.(*Poller[go.shape.int]).run<",
		`width="1180.0"`, `viewBox="0 0 1200 136"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in it:\n%s", want, text)
		}
	}
	if strings.Contains(text, ">runtime.mstart<") || strings.Contains(text, "<stream>") {
		t.Errorf("a word that has no room, or is not escaped:\n%s", text)
	}
}
