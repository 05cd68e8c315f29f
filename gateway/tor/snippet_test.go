package tor

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestCheckSnippet(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []int // refused lines
	}{
		{"", nil},
		{"# SocksPort 9050\n\n  # more\n", nil},
		{"TestingTorNetwork 1\r\nDirAuthority a orport=1 1.2.3.4:5 AA\r\n", nil},
		{"UseBridges 1\nBridge obfs4 203.0.113.9:443 AA cert=x iat-mode=0\nClientTransportPlugin obfs4 exec /usr/bin/obfs4proxy\n", nil},
		{"ContactInfo nobody \\\n  at all\nEntryNodes {de}", nil},
		{"SocksPort 9050", []int{1}},
		{"EntryNodes {de}\nsocksport 9050\n\nTRANSPORT 1\n", []int{2, 4}},
		{"+SocksPort 9050\n/SocksPort\n", []int{1, 2}},
		{"  \tSocksPort\t9050\n", []int{1}},
		{"SocksPort#9050\n", []int{1}},
		{"SocksP 9050\n", []int{1}},
		{"Socks\\\nPort 9050\n", []int{1}},
		{"ContactInfo x \\\nSocksPort 9050\n", []int{2}}, // in truth a value; refused all the same
		{"\\\nSocksPort 9050\n", []int{2}},
		{"%include /etc/tor/torrc\n", []int{1}},
		{"HiddenServiceDir /x\nHiddenServicePort 80\nHiddenServiceSingleHopMode 1\n", []int{1, 2, 3}},
		{"__LeaveStreamsUnattached 1\n__\n", []int{1, 2}},
		{"ORPort 9001\nExitRelay 1\nBridgeRelay 1\n", []int{1, 2, 3}},
		{"Log debug file /tmp/x\nSafeLogging 0\n", []int{1, 2}},
		{"LogTimeGranularity 1\n", nil},
		{"EntryNodes {de}\n\x00SocksPort 1\n\x0bSocksPort 2\n", []int{2, 3}},
		{"EntryNodes {de} \\", []int{1}},
		{"EntryNodes {de}\nContactInfo x\\\r\n\n", []int{2}},
	} {
		var got []int
		for _, err := range CheckSnippet("own.conf", tc.text) {
			var at *SnippetError
			if !errors.As(err, &at) || at.File != "own.conf" || at.Reason == "" {
				t.Fatalf("%q: error %#v", tc.text, err)
			}
			got = append(got, at.Line)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: refused lines %v, want %v", tc.text, got, tc.want)
		}
	}
}

func TestSnippetErrorText(t *testing.T) {
	for text, want := range map[string]string{
		"\nDataDirectory /x": "own.conf:2: DataDirectory is set by tunic itself: remove the line",
		"datad /x":           "own.conf:1: tor may take datad for DataDirectory, which tunic sets itself: write the whole name",
		"Hidden 1":           "own.conf:1: tor may take Hidden for options that tunic sets itself: write the whole name",
	} {
		errs := CheckSnippet("own.conf", text)
		if len(errs) != 1 || errs[0].Error() != want {
			t.Errorf("%q: %q, want %q", text, errs, want)
		}
	}
}

// FuzzCheckSnippet reads what passes as tor does, continuation lines included,
// and finds none of tunic's options in it.
func FuzzCheckSnippet(f *testing.F) {
	f.Add("EntryNodes {de}\nSocksPort 9050\n")
	f.Add("ContactInfo x \\\n# comment\n y\n+socksp 1")
	f.Add("a\\\n\\\nLog x\\")
	f.Fuzz(func(t *testing.T, text string) {
		errs := CheckSnippet("f", text)
		for _, err := range errs {
			var at *SnippetError
			if !errors.As(err, &at) || at.Line < 1 || at.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("%q: error %v", text, err)
			}
		}
		if len(errs) > 0 {
			return
		}
		for _, name := range torsNames(text) {
			if slices.ContainsFunc(ownOptions, func(own string) bool { return strings.EqualFold(own, name) }) {
				t.Fatalf("%q passes, and sets %s", text, name)
			}
		}
	})
}

// torsNames are the options in a torrc as tor's parse_config_line_from_str_verbose
// splits it: a name ends at a space, a # or an escaped line end; a value goes
// on over escaped line ends and the comments after them.
func torsNames(text string) []string {
	var names []string
	continued := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if continued {
			if !strings.HasPrefix(strings.TrimLeft(line, " \t\r\v\f"), "#") {
				continued = strings.HasSuffix(line, `\`)
			}
			continue
		}
		name := strings.TrimLeft(line, " \t\r\v\f")
		if strings.HasPrefix(name, "#") {
			continue
		}
		continued = strings.HasSuffix(line, `\`)
		name = strings.TrimSuffix(name, `\`)
		if end := strings.IndexAny(name, " \t\r\v\f#"); end >= 0 {
			name = name[:end]
		}
		name = strings.TrimPrefix(strings.TrimPrefix(name, "+"), "/")
		names = append(names, name)
	}
	return names
}
