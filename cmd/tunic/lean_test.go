package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ownPages is how much of the program's unwritable parts is in this process's memory, in kB.
func ownPages(t *testing.T) (kb int) {
	t.Helper()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if !strings.HasSuffix(words[0], ":") {
			_, _, ours = unwritable(lines.Text(), exe)
		}
		if ours && words[0] == "Rss:" {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			kb += n
		}
	}
	return kb
}

// What the program does not need is not in its memory, and what was given back works.
func TestTheProgramsPagesAreGivenBack(t *testing.T) {
	before := ownPages(t)
	unmapProgram()
	if after := ownPages(t); before == 0 || after > before*2/3 {
		t.Errorf("of %d kB of the program %d are still in memory", before, after)
	}
}

func TestOnlyWhatNobodyCanHaveChangedIsGivenBack(t *testing.T) {
	const exe = "/usr/bin/tunic"
	for line, want := range map[string]bool{
		"00400000-00e76000 r-xp 00000000 fe:01 1234                       /usr/bin/tunic":           true,
		"00e76000-01525000 r--p 00a76000 fe:01 1234                       /usr/bin/tunic":           true,
		"01525000-015a4000 rw-p 01125000 fe:01 1234                       /usr/bin/tunic":           false,
		"00400000-00e76000 r-xs 00000000 fe:01 1234                       /usr/bin/tunic":           false,
		"00400000-00e76000 r-xp 00000000 fe:01 1234                       /usr/bin/tunic (deleted)": false,
		"7f0000000000-7f0000001000 r-xp 00000000 fe:01 9                  /usr/lib/libc.so.6":       false,
		"c000000000-c000400000 r--p 00000000 00:00 0 ":                                              false,
		"00e76000-00400000 r--p 00a76000 fe:01 1234                       /usr/bin/tunic":           false,
		"": false,
	} {
		if _, _, ok := unwritable(line, exe); ok != want {
			t.Errorf("%q: %v, want %v", line, ok, want)
		}
	}
}
