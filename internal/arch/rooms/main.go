// Command rooms prints how big the rooms of the gateway are and what leads from one
// to another. Run it after a change of the structure, and on an older tree to
// compare:
//
//	go run ./internal/arch/rooms [DIRECTORY OF A TREE]
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(os.Stdout, dir); err != nil {
		fmt.Fprintln(os.Stderr, "rooms:", err)
		os.Exit(1)
	}
}

// run prints the table of the tree in dir.
func run(w io.Writer, dir string) error {
	packages, err := load(dir)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "package\tfiles\tlines\tfunctions\tmost methods\tfile to file")
	total := 0
	for _, p := range packages {
		if !under(p.path, "gateway") {
			continue
		}
		s := sizeOf(p)
		total += s.lines
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\t%d\n", p.path, len(p.files), s.lines, s.functions, s.most, fileToFile(p))
	}
	fmt.Fprintf(table, "all of it\t\t%d\n", total)
	if err := table.Flush(); err != nil {
		return err
	}
	return tell(w, packages)
}

// tell prints what leads from feature to feature.
func tell(w io.Writer, packages []*parsed) error {
	uses, handed := featureUses(packages), handedOver(packages)
	_, err := fmt.Fprintf(w, "\nfrom feature to feature: %d directly, %d handed over\n%s", len(uses), len(handed),
		strings.Join(append(lines(uses), lines(handed)...), ""))
	return err
}

func lines(list []string) []string {
	text := make([]string, len(list))
	for i, l := range list {
		text[i] = "  " + l + "\n"
	}
	return text
}
