package link

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func pair(t *testing.T) (parent, child *Conn) {
	t.Helper()
	parent, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	child, err = FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parent.Close(); child.Close() })
	return parent, child
}

func TestMessagesArriveAsSent(t *testing.T) {
	parent, child := pair(t)
	body := json.RawMessage(`{"Word":"x"}`)
	sent := []Message{
		Listener{Name: "socks"},
		call{ID: 7, Verb: "mail", Body: body},
		reply{ID: 8, Error: "no"},
		reply{ID: 9, Body: body},
	}
	go func() {
		for _, m := range sent {
			parent.Send(m)
		}
	}()
	for _, want := range sent {
		got, files, err := child.Receive()
		if err != nil || len(files) != 0 {
			t.Fatalf("Receive: %v, %d files", err, len(files))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
}

// A listener that crosses the link accepts connections on the other side,
// also those that waited in its backlog.
func TestListenerCrosses(t *testing.T) {
	parent, child := pair(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	waiting, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Send(Listener{Name: "socks"}, f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	m, files, err := child.Receive()
	if err != nil || len(files) != 1 || m.(Listener).Name != "socks" {
		t.Fatalf("Receive = %v, %d files, %v", m, len(files), err)
	}
	got, err := net.FileListener(files[0])
	files[0].Close()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	got.(*net.TCPListener).SetDeadline(time.Now().Add(30 * time.Second))
	c, err := got.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestClosedEndIsErrClosed(t *testing.T) {
	parent, child := pair(t)
	parent.Close()
	if _, _, err := child.Receive(); !errors.Is(err, ErrClosed) {
		t.Fatalf("Receive after close: %v", err)
	}
}

func TestGarbageIsRefused(t *testing.T) {
	for name, frame := range map[string][]byte{
		"unknown kind":       {99, 0, 0, 0, 0, 0, 0, 2, '{', '}'},
		"no json":            {byte(kindCall), 0, 0, 0, 0, 0, 0, 2, '!', '!'},
		"too long":           {byte(kindCall), 0, 0, 0, 0xff, 0, 0, 0},
		"missing descriptor": {byte(kindListener), 1, 0, 0, 0, 0, 0, 2, '{', '}'},
		"half a header":      {byte(kindCall), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			parent, child := pair(t)
			parent.c.Write(frame)
			parent.Close()
			_, _, err := child.Receive()
			if err == nil || errors.Is(err, ErrClosed) {
				t.Fatalf("Receive took it: %v", err)
			}
			if name == "too long" && !strings.Contains(err.Error(), "are too many") {
				t.Errorf("room was made for what it says first: %v", err)
			}
		})
	}
}

// What the other end would not take is not sent, and the link goes on.
func TestTooLongIsNotSent(t *testing.T) {
	parent, child := pair(t)
	go io.Copy(io.Discard, child.c)
	err := parent.Send(reply{Error: strings.Repeat("x", maxBody)})
	if err == nil || !strings.Contains(err.Error(), "are too many") {
		t.Errorf("%v", err)
	}
	if err := parent.Send(call{ID: 1, Body: []byte("1")}); err != nil {
		t.Errorf("the next message: %v", err)
	}
}

// Only a socket is taken for a link.
func TestFromFileOfSomethingElse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromFile(f); err == nil || !strings.Contains(err.Error(), "TCPConn") {
		t.Errorf("%v", err)
	}
}

// Descriptors that are sent stay open in the sender.
func TestSendLeavesFilesOpen(t *testing.T) {
	parent, child := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := parent.Send(Listener{Name: "x"}, w); err != nil {
		t.Fatal(err)
	}
	_, files, err := child.Receive()
	if err != nil {
		t.Fatal(err)
	}
	closeAll(files)
	if _, err := io.WriteString(w, "x"); err != nil {
		t.Fatalf("the sender's file was closed: %v", err)
	}
	w.Close()
}

// An end that does not take what is sent is given up, whoever waits to say something: serve may
// have been taken over.
func TestEndThatDoesNotListen(t *testing.T) {
	parent, child := pair(t)
	parent.patience = 100 * time.Millisecond
	done := make(chan error, 3)
	for range cap(done) {
		go func() {
			done <- parent.Send(call{Verb: "x", Body: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)})
		}()
	}
	for range cap(done) {
		select {
		case err := <-done:
			if !errors.Is(err, ErrClosed) {
				t.Errorf("sending: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("it waits")
		}
	}
	if _, _, err := child.Receive(); err == nil {
		t.Error("half a message has come as a whole one")
	}
	if _, _, err := parent.Receive(); !errors.Is(err, ErrClosed) {
		t.Errorf("the link is open: %v", err)
	}
}
