// Command flame draws a profile of processor time as a flame graph, in SVG. It reads what
// `go tool pprof -traces FILE` prints:
//
//	go tool pprof -traces tunic-serve-cpu.pprof | go run ./internal/bench/flame "a busy evening" >evening.svg
//
// Use it for pictures that are kept; `go tool pprof -http=: FILE` shows the same in a browser.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "flame: the title is missing: go tool pprof -traces FILE | flame TITLE >FILE.svg")
		os.Exit(2)
	}
	root, err := read(os.Stdin)
	if err == nil {
		out := bufio.NewWriter(os.Stdout)
		draw(out, os.Args[1], root)
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "flame:", err)
		os.Exit(1)
	}
}
