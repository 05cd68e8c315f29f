//go:build lab

package tor

import (
	"syscall"
	"testing"
)

// A real tor with a bridge behind which nobody is: it says so in its log alone,
// and its attempts are seen. The transport's program speaks for it.
func TestUnreachedBridge(t *testing.T) {
	plugin, err := FindTransport("obfs4")
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t)
	s := b.spec
	s.Bridges, s.Plugins = []Bridge{{Transport: "obfs4", Line: "obfs4 127.0.0.1:1 " + bridgePrint + " cert=" + bridgeCert + " iat-mode=0"}},
		[]Plugin{plugin}
	b.apply(s)
	b.awaitRunning()
	b.await("the bridge to be given up", func() bool { return b.Status().Unreached(bridgePrint) })
}

// Whoever asks for other settings after a crash is not told of the crash.
func TestNewSettingsAfterACrash(t *testing.T) {
	b := newBox(t)
	if err := syscall.Kill(b.awaitRunning().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.await("the end", func() bool { return b.Status().LastError != "" })
	b.awaitRunning()
	s := b.spec
	s.IsolateDestinations = true // needs another process
	b.apply(s)
	if st := b.Status(); st.LastError != "" {
		t.Errorf("right after: %q", st.LastError)
	}
	b.awaitRunning()
	if st := b.Status(); st.LastError != "" {
		t.Errorf("when it runs: %q", st.LastError)
	}
}
