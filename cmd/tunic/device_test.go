package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
)

// Who has a device without a name is told how it gets one, and who uses a name
// that no device has, too.
func TestNamesOfDevices(t *testing.T) {
	tv, laptop := api.Device{Name: "tv", MAC: "02:00:5e:10:00:01"}, api.Device{MAC: "02:00:5e:10:00:02"}
	for _, x := range []struct {
		list       []api.Device
		verb, want string
		exit       int
	}{
		{[]api.Device{tv}, "devices", "", exitDone},
		{[]api.Device{tv, laptop}, "devices", "tunic device NAME --mac 02:00:5e:10:00:02", exitDone},
		{[]api.Device{tv, laptop}, "device laptop", "tunic device laptop --mac ADDRESS", exitUsage},
		{[]api.Device{tv, laptop}, "device ../x", "tunic device NAME --mac ADDRESS", exitUsage},
	} {
		a := answering(t, 200, x.list)
		out, errs := a.out.(*bytes.Buffer), new(bytes.Buffer)
		a.err = errs
		code := execute(t.Context(), a, strings.Fields(x.verb))
		if text := errs.String(); code != x.exit || !strings.Contains(text, x.want) || strings.Contains(text, "--mac") != (x.want != "") {
			t.Errorf("tunic %s: %d, %q, %q", x.verb, code, out, text)
		}
	}
}

// --for 0s alone asks for the end of a policy that holds for a while.
func TestPolicyForAWhileEnds(t *testing.T) {
	for line, want := range map[string]api.DeviceRequest{
		"device tv --for 0s":                 {Device: "tv", End: true},
		"device tv --policy direct --for 2h": {Device: "tv", Policy: "direct", For: 2 * time.Hour},
	} {
		var got api.DeviceRequest
		a := answering(t, 200, api.Device{Name: "tv"}, &got)
		if code := execute(t.Context(), a, strings.Fields(line)); code != exitDone || got != want {
			t.Errorf("tunic %s: %d, %+v", line, code, got)
		}
	}
}
