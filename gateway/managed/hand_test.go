package managed

import (
	"encoding/json"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// heirOf is a daemon that has taken over what h runs.
func heirOf(t *testing.T, h *house) *house {
	t.Helper()
	list, outputs, err := h.Hand()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	var handed []Handed
	if err := json.Unmarshal(raw, &handed); err != nil {
		t.Fatal(err)
	}
	copies := make(map[string]*os.File)
	for name, f := range outputs {
		raw, err := f.SyscallConn() // not Fd: it is closed when the process ends
		if err != nil {
			t.Fatal(err)
		}
		var fd int
		if e := raw.Control(func(number uintptr) { fd, err = unix.Dup(int(number)) }); e != nil || err != nil {
			t.Fatal(e, err)
		}
		copies[name] = os.NewFile(uintptr(fd), name)
	}
	heir := newHouse(t)
	heir.spec = h.spec
	heir.Adopt(handed, copies)
	return heir
}

// A server that another daemon has started goes on, and is changed and started again
// as any other.
func TestServersAreHandedOn(t *testing.T) {
	h := newHouse(t)
	h.Apply([]Spec{h.spec})
	before := h.ready()
	heir := heirOf(t, h)
	defer h.TakeBack() // for its Stop
	heir.Apply([]Spec{heir.spec})
	if now := heir.ready(); now.PID != before.PID || now.Version != before.Version || !now.Since.Equal(before.Since) {
		t.Errorf("it was %+v and is %+v", before, now)
	}
	heir.change("two")
	heir.wait("says what is new", func(Status) bool { return heir.says() == "hi metwo" })
	if now := heir.ready(); now.PID != before.PID {
		t.Errorf("it was started again to read a file: %+v", now)
	}
	heir.change("", "other")
	now := heir.wait("is another process", func(s Status) bool { return s.Ready && s.PID != before.PID })
	if list := h.Status(); len(list) != 1 || list[0].PID == now.PID {
		t.Errorf("the old daemon has %+v", list)
	}
	heir.Stop()
	if list := heir.Status(); len(list) == 1 && list[0].PID != 0 {
		t.Errorf("it outlives its daemon: %+v", list)
	}
}

// What a heir has done is undone when the old daemon goes on, and nobody starts a
// server that the other has.
func TestServersAreTakenBack(t *testing.T) {
	h := newHouse(t)
	h.Apply([]Spec{h.spec})
	before := h.ready()
	heir := heirOf(t, h)
	heir.Apply([]Spec{heir.spec})
	heir.change("two", "other")
	heir.wait("is another process", func(s Status) bool { return s.Ready && s.PID != before.PID })
	if h.says() != "hi metwo" {
		t.Errorf("it says %q", h.says())
	}
	heir.starting.Lock() // it was killed: it starts nothing again
	h.TakeBack()
	h.wait("is as before", func(s Status) bool { return s.Ready && h.says() == "hi meone" })
	heir.cancel()
	heir.starting.Unlock()
}
