package tor

import (
	"os"
	"testing"
)

func TestTraffic(t *testing.T) {
	control := newFakeControl(t, []exchange{
		{"GETINFO traffic/read", "250-traffic/read=5000\n250 OK"}, {"GETINFO traffic/written", "250-traffic/written=700\n250 OK"},
		{"GETINFO traffic/read", "250-traffic/read=much\n250 OK"},
	})
	commands, err := dialControl(t.Context(), control.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	tor := &Tor{session: &session{commands: commands}}
	if read, written, ok := tor.Traffic(); !ok || read != 5000 || written != 700 {
		t.Errorf("%d, %d, %v", read, written, ok)
	}
	if _, _, ok := tor.Traffic(); ok {
		t.Error("what is no number is taken for one")
	}
	if _, _, ok := new(Tor).Traffic(); ok {
		t.Error("a tor that does not run has traffic")
	}
}
