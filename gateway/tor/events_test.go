package tor

import (
	"fmt"
	"io"
	"testing"
	"time"

	"tunic/gateway/supervise"
)

const (
	ownAddress   = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd"
	otherAddress = "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd"
)

func newTracker(changes *int) *tracker {
	t := &tracker{changed: func() { *changes++ }}
	t.told = t.changed
	t.started(7, Version{0, 4, 9, 11}, []Onion{{Name: "home", Address: ownAddress}})
	*changes = 0
	return t
}

func TestEvents(t *testing.T) {
	const (
		bootstrap = "STATUS_CLIENT NOTICE BOOTSTRAP "
		skew      = "STATUS_GENERAL WARN CLOCK_SKEW "
	)
	for name, tc := range map[string]struct {
		lines []string
		want  Status // beside what started sets
	}{
		"progress": {[]string{bootstrap + `PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay"`},
			Status{Bootstrap: 5, Summary: "Connecting to a relay"}},
		"warning": {[]string{`STATUS_CLIENT WARN BOOTSTRAP PROGRESS=10 TAG=conn_done SUMMARY="Connected" WARNING="No route to host" ` +
			`REASON=NOROUTE COUNT=5 RECOMMENDATION=warn HOSTID="AA" HOSTADDR="203.0.113.1:5000"`},
			Status{Bootstrap: 10, Summary: "Connected", Warning: "No route to host"}},
		"warning over": {[]string{`STATUS_CLIENT WARN BOOTSTRAP PROGRESS=10 SUMMARY="Connected" WARNING="No route"`,
			bootstrap + `PROGRESS=15 SUMMARY="Handshake"`},
			Status{Bootstrap: 15, Summary: "Handshake"}},
		"done": {[]string{"STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED", bootstrap + `PROGRESS=100 TAG=done SUMMARY="Done"`,
			"NETWORK_LIVENESS UP"},
			Status{Bootstrap: 100, Summary: "Done", Circuits: true, Live: true}},
		"network lost": {[]string{"NETWORK_LIVENESS UP", "NETWORK_LIVENESS DOWN"}, Status{}},
		"circuits lost": {[]string{"STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED",
			"STATUS_CLIENT NOTICE CIRCUIT_NOT_ESTABLISHED REASON=DORMANT"}, Status{}},
		"clock jumped": {[]string{"STATUS_CLIENT NOTICE CIRCUIT_NOT_ESTABLISHED REASON=CLOCK_JUMPED"},
			Status{Warning: "the clock jumped, so tor builds new circuits"}},
		"clock behind": {[]string{skew + `MIN_SKEW=-86400 SOURCE=CONSENSUS`}, Status{ClockSkew: -24 * time.Hour}},
		"clock ahead":  {[]string{skew + `SKEW=3605 SOURCE="DIRSERV:203.0.113.1:7000"`}, Status{ClockSkew: 3605 * time.Second}},
		"clock right":  {[]string{skew + `SKEW=3605 SOURCE=OR`, "STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED"}, Status{Circuits: true}},
		"clock absurd": {[]string{skew + `SKEW=9223372036854775807 SOURCE=OR`}, Status{}},
		"old version": {[]string{"STATUS_GENERAL WARN DANGEROUS_VERSION CURRENT=0.4.8.1 REASON=OBSOLETE RECOMMENDED=\"0.4.9.11\""},
			Status{Warning: "this version of tor is obsolete for the network: update it"}},
		"terminal code": {[]string{bootstrap + `PROGRESS=5 SUMMARY="a\033[31mb"`}, Status{Bootstrap: 5, Summary: "a [31mb"}},
		"nonsense": {[]string{"", "STATUS_CLIENT", "STATUS_CLIENT NOTICE", "HS_DESC", "HS_DESC UPLOADED", "NETWORK_LIVENESS", "OTHER x y z",
			bootstrap + `PROGRESS=101 SUMMARY="x"`, bootstrap + `PROGRESS=-1 SUMMARY="x"`, bootstrap + `SUMMARY="x"`,
			bootstrap + `PROGRESS=5 SUMMARY="x`}, Status{}},
	} {
		t.Run(name, func(t *testing.T) {
			changes := 0
			tr := newTracker(&changes)
			for _, line := range tc.lines {
				tr.event(line)
			}
			got := tr.snapshot()
			got.PID, got.Version, got.Since, got.Onions = 0, "", time.Time{}, nil
			if !equalStatus(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if name != "nonsense" && changes != len(tc.lines) {
				t.Errorf("%d changes told of %d events", changes, len(tc.lines))
			}
		})
	}
}

// equalStatus compares all but the maps.
func equalStatus(a, b Status) bool {
	a.Onions, b.Onions = nil, nil
	return a.PID == b.PID && a.Running == b.Running && a.Version == b.Version && a.Since.Equal(b.Since) && a.Restarts == b.Restarts &&
		a.Bootstrap == b.Bootstrap && a.Summary == b.Summary && a.Warning == b.Warning && a.Circuits == b.Circuits && a.Live == b.Live &&
		a.ClockSkew == b.ClockSkew && a.LastError == b.LastError
}

func TestDescriptorEvents(t *testing.T) {
	changes := 0
	tr := newTracker(&changes)
	for _, line := range []string{
		"HS_DESC UPLOAD " + ownAddress + " UNKNOWN $AA~a descid HSDIR_INDEX=BB",
		"HS_DESC UPLOADED " + ownAddress + " UNKNOWN $AA~a",
		"HS_DESC UPLOADED " + ownAddress + " UNKNOWN $BB~b",
		"HS_DESC UPLOADED " + ownAddress + " UNKNOWN $AA~a",
		"HS_DESC FAILED " + ownAddress + " UNKNOWN $CC~c descid REASON=UPLOAD_REJECTED",
		"HS_DESC FAILED " + ownAddress + " NO_AUTH $DD~d descid REASON=NOT_FOUND",
		"HS_DESC UPLOADED " + otherAddress + " UNKNOWN $AA~a",
		"HS_DESC REQUESTED " + otherAddress + " NO_AUTH $AA~a descid",
	} {
		tr.event(line)
	}
	if changes != 6 {
		t.Errorf("%d changes were told of 6 events about the own onion and 2 about another", changes)
	}
	s := tr.snapshot()
	d := s.Onions[ownAddress]
	if len(s.Onions) != 1 || d.Uploads != 3 || d.Directories != 2 || d.At.IsZero() || d.Failed != 1 || d.LastError != "UPLOAD_REJECTED" {
		t.Errorf("onions %+v", s.Onions)
	}
	s.Onions[ownAddress] = Descriptor{}
	if tr.snapshot().Onions[ownAddress] != d {
		t.Error("a snapshot shares its map")
	}
	tr.onions([]Onion{{Address: ownAddress}, {Address: otherAddress}, {Name: "without an address"}})
	if s := tr.snapshot(); len(s.Onions) != 2 || s.Onions[ownAddress] != d {
		t.Errorf("onions %+v", s.Onions)
	}
	tr.started(8, Version{}, []Onion{{Address: ownAddress}})
	if s := tr.snapshot(); s.Onions[ownAddress] != (Descriptor{}) || s.Restarts != 1 {
		t.Errorf("after a restart %+v", s)
	}
}

func TestLastErrorEndsWithBootstrap(t *testing.T) {
	changes := 0
	tr := newTracker(&changes)
	tr.ended(errQuote)
	tr.started(8, Version{}, nil)
	if s := tr.snapshot(); s.LastError != errQuote.Error() || s.PID != 8 || s.Restarts != 1 {
		t.Errorf("after a bad end: %+v", s)
	}
	tr.event(`STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"`)
	if s := tr.snapshot(); s.LastError != "" {
		t.Errorf("last error %q", s.LastError)
	}
}

// The last words of an old process are no answer to who asks for another one.
func TestLastErrorEndsWithARestart(t *testing.T) {
	tr := newTracker(new(int))
	tr.ended(errQuote)
	tr.ended(nil)
	if s := tr.snapshot(); s.LastError != "" || s.Running {
		t.Errorf("after an end that was asked for: %+v", s)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add(`STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay"`)
	f.Add("HS_DESC FAILED " + ownAddress + " NO_AUTH $AA~a descid REASON=UPLOAD_REJECTED")
	f.Add(`STATUS_GENERAL WARN CLOCK_SKEW SKEW=-5 SOURCE="OR:1.2.3.4:5"`)
	f.Fuzz(func(t *testing.T, line string) {
		changes := 0
		tr := newTracker(&changes)
		tr.event(line)
		s := tr.snapshot()
		if s.Bootstrap < 0 || s.Bootstrap > 100 || len(s.Onions) != 1 || s.PID != 7 || s.ClockSkew.Abs() > maxSkew {
			t.Fatalf("%q made %+v", line, s)
		}
	})
}

// What tor said last is told as far as it says why tor has ended.
func TestLastWords(t *testing.T) {
	for want, tail := range map[string][]string{
		"starting: tor ended (<nil>)": {"Nov 30 00:19:21.000 [notice] Bootstrapped 100% (done): Done"},
		"starting: tor ended (<nil>): Nov 30 00:19:21.000 [err] Reading config failed": {"Nov 30 00:19:21.000 [err] Reading config failed",
			"Nov 30 00:19:22.000 [notice] Closing"},
	} {
		err := fmt.Errorf("starting: %w", &supervise.ExitError{Name: "tor", Tail: tail})
		if got := lastWords(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := lastWords(io.EOF); got != "EOF" {
		t.Errorf("%q", got)
	}
}
