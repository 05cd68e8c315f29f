package lab

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// markerType is an Ethernet type for local experiments (IEEE 802, "Local
// Experimental Ethertype 1"): no kernel answers or forwards it.
const markerType = 0x88b5

// frameSize is the smallest Ethernet frame without its checksum.
const frameSize = 60

// sendMarker sends one frame with a new nonce out of the interface in the
// namespace, and returns the nonce, which is the end of the frame.
func sendMarker(namespace, iface string) ([]byte, error) {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("making a marker: %w", err)
	}
	source, err := net.ParseMAC(markerMAC)
	if err != nil {
		return nil, fmt.Errorf("making a marker: %w", err)
	}
	frame := make([]byte, frameSize-len(nonce), frameSize)
	copy(frame, source)
	copy(frame[6:], source)
	binary.BigEndian.PutUint16(frame[12:], markerType)
	frame = append(frame, nonce...)

	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is in another namespace and ends with the goroutine
		done <- sendFrame(namespace, iface, frame)
	}()
	return nonce, <-done
}

// sendFrame moves the calling thread into the namespace for good.
func sendFrame(namespace, iface string, frame []byte) error {
	ns, err := unix.Open(filepath.Join("/run/netns", namespace), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening namespace %s: %w", namespace, err)
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering namespace %s: %w", namespace, err)
	}
	port, err := net.InterfaceByName(iface)
	if err != nil {
		return fmt.Errorf("finding interface %s: %w", iface, err)
	}
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a packet socket: %w", err)
	}
	defer unix.Close(socket)
	if err := unix.Sendto(socket, frame, 0, &unix.SockaddrLinklayer{Ifindex: port.Index}); err != nil {
		return fmt.Errorf("sending a marker: %w", err)
	}
	return nil
}
