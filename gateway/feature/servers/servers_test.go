package servers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/managed"
)

// house wants two servers and is not open yet.
type house struct{ feature.Host }

func (house) Now() feature.Now {
	return feature.Now{Why: "Tor is connecting",
		Desired: feature.Desired{Servers: []managed.Spec{{Name: "dovecot"}, {Name: "ngircd"}}}}
}

// one runs one server, and has its words.
type one struct{ status []managed.Status }

func (o one) Status() []managed.Status        { return o.status }
func (one) Tail(name string) ([]string, bool) { return []string{"its words"}, name == "dovecot" }

// The status has the servers that run and those that will; without any it is an
// empty list.
func TestReport(t *testing.T) {
	var status api.Status
	since := time.Now()
	New(house{}, one{[]managed.Status{{Name: "dovecot", PID: 7, Since: since, Err: errors.New("broken")}}}).
		Report(t.Context(), feature.Scene{}, &status)
	if s := status.Servers; len(s) != 2 || s[0].PID != 7 || s[0].Error != "broken" || !s[0].Since.Equal(since) ||
		s[1].Name != "ngircd" || s[1].Error != "starts when the household is open" || s[1].Since != nil {
		t.Errorf("%+v", s)
	}
}

// Tail has the words of a server, says what one waits for, and names those there are.
func TestTail(t *testing.T) {
	f := New(house{}, one{})
	if lines, err := f.Tail(t.Context(), api.TailRequest{Server: "dovecot"}); err != nil || !slices.Equal(lines, []string{"its words"}) {
		t.Errorf("%q, %v", lines, err)
	}
	_, err := f.Tail(t.Context(), api.TailRequest{Server: "ngircd"})
	if err == nil || err.Error() != "ngircd starts when the household is open: Tor is connecting" {
		t.Errorf("one that waits: %v", err)
	}
	_, err = f.Tail(t.Context(), api.TailRequest{Server: "sshd"})
	if failure, ok := errors.AsType[*api.Failure](err); !ok || !failure.Usage ||
		!strings.Contains(failure.Hint, "there is dovecot, ngircd;") {
		t.Errorf("one that nobody has: %+v", err)
	}
}
