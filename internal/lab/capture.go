package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// snapLength keeps all headers, and names in questions, but not the
	// bodies of big downloads. With the record header it is less than one
	// write of tcpdump's, so a file never ends in half a packet.
	snapLength = 512

	pcapHeader = 24 // bytes before the first packet of a pcap file
)

// Capture is the record of all packets on one cable, in both directions: of a
// gateway's uplink, from the first packet on, or of a device.
type Capture struct {
	lab   *Lab
	node  string // where it runs
	iface string
	name  string // of its file, and in errors
}

// Mark is a moment in a capture. The zero value is its beginning.
type Mark struct {
	offset int64 // in the file, at the end of a packet
}

// Capture returns the capture of a gateway's uplink.
func (l *Lab) Capture(gateway string) (*Capture, error) {
	n, err := l.plan.Node(gateway)
	if err != nil {
		return nil, err
	}
	if n.Role != Gateway {
		return nil, fmt.Errorf("finding the capture of %s: captures are of gateways: %s", gateway, strings.Join(l.plan.Gateways(), ", "))
	}
	return &Capture{lab: l, node: SwitchNode, iface: gateway, name: gateway}, nil
}

// CaptureDevice starts a capture of what a device sends and gets, and returns
// when it listens. It is taken at the gateway's end of the device's cable,
// before any rule of the gateway has seen a packet, and ends with the lab.
func (l *Lab) CaptureDevice(ctx context.Context, device string) (*Capture, error) {
	n, err := l.plan.Node(device)
	if err != nil {
		return nil, err
	}
	if n.Role != Device {
		return nil, fmt.Errorf("capturing the cable of %s: it is no device of a household", device)
	}
	c := &Capture{lab: l, node: l.plan.gatewayOf(n).Name, iface: device, name: device}
	return c, c.start(ctx)
}

// File is the capture's file, in pcap format.
func (c *Capture) File() string { return filepath.Join(c.lab.dir, "captures", c.name+".pcap") }

func (c *Capture) process() string { return "capture-" + c.name }

// start begins the capture and returns when it listens.
func (c *Capture) start(ctx context.Context) error {
	n, err := c.lab.plan.Node(c.node)
	if err != nil {
		return err
	}
	tcpdump := []string{"tcpdump", "-i", c.iface, "-w", c.File(), "-U", "--immediate-mode",
		"-s", fmt.Sprint(snapLength), "-B", "16384", "-Z", "root"}
	if _, err := c.lab.start(c.node, c.process(), inNamespace(n, tcpdump)); err != nil {
		return err
	}
	err = poll(ctx, func() (bool, error) {
		if !c.lab.running(c.process()) {
			return false, errors.New(c.lab.logTail(c.process(), 5))
		}
		return strings.Contains(c.lab.logTail(c.process(), 5), "listening on"), nil
	})
	if err != nil {
		return fmt.Errorf("starting the capture of %s: %w", c.name, err)
	}
	return nil
}

// flushLimit is how long tcpdump may take to write what it has seen.
const flushLimit = time.Minute

// Mark waits until all packets up to now are in the file and returns this
// moment. It sends one marker frame over the cable and looks for it in the
// file, so it fails if the capture has ended.
func (c *Capture) Mark(ctx context.Context) (Mark, error) {
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	info, err := os.Stat(c.File())
	if err != nil {
		return Mark{}, fmt.Errorf("marking the capture of %s: %w", c.name, err)
	}
	n, err := c.lab.plan.Node(c.node)
	if err != nil {
		return Mark{}, err
	}
	nonce, err := sendMarker(n.Namespace, c.iface)
	if err != nil {
		return Mark{}, fmt.Errorf("marking the capture of %s: %w", c.name, err)
	}
	var m Mark
	err = poll(ctx, func() (bool, error) {
		m.offset, err = findAfter(c.File(), info.Size(), nonce)
		return m.offset > 0, err
	})
	if err != nil {
		return Mark{}, fmt.Errorf("marking the capture of %s: waiting for the marker: %w", c.name, err)
	}
	return m, nil
}

// Test is the part of a testing.TB that MustMark and MustLines need.
type Test interface {
	Helper()
	Fatal(args ...any)
	Context() context.Context
}

// MustMark is Mark for a test, which it ends after an error.
func (c *Capture) MustMark(t Test) Mark {
	t.Helper()
	m, err := c.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// MustLines is Lines for a test, which it ends after an error.
func (c *Capture) MustLines(t Test, since Mark, filter string) []string {
	t.Helper()
	lines, err := c.Lines(t.Context(), since, filter)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// findAfter returns the offset of the end of nonce in the file, 0 if it is not
// there yet; the search begins at offset from.
func findAfter(path string, from int64, nonce []byte) (int64, error) {
	text, err := readFrom(path, from)
	if err != nil {
		return 0, err
	}
	if i := bytes.Index(text, nonce); i >= 0 {
		return from + int64(i+len(nonce)), nil
	}
	return 0, nil
}

func readFrom(path string, from int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a capture: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, from, 1<<62))
	if err != nil {
		return nil, fmt.Errorf("reading a capture: %w", err)
	}
	return text, nil
}

// Count returns the number of packets since the capture's begin that match the
// BPF expression; "" matches all but the capture's own markers.
func (c *Capture) Count(ctx context.Context, filter string) (int, error) {
	return c.CountSince(ctx, Mark{}, filter)
}

// CountSince is Count for the packets after the mark.
func (c *Capture) CountSince(ctx context.Context, since Mark, filter string) (int, error) {
	lines, err := c.Lines(ctx, since, filter)
	return len(lines), err
}

// Lines returns tcpdump's text for each packet after the mark that matches the
// BPF expression, one line each: time, hardware addresses, contents.
func (c *Capture) Lines(ctx context.Context, since Mark, filter string) ([]string, error) {
	now, err := c.Mark(ctx)
	if err != nil {
		return nil, err
	}
	return c.read(ctx, since, now, filter)
}

// read has tcpdump decode the packets between two marks.
func (c *Capture) read(ctx context.Context, since, until Mark, filter string) ([]string, error) {
	f, err := os.Open(c.File())
	if err != nil {
		return nil, fmt.Errorf("reading the capture of %s: %w", c.name, err)
	}
	defer f.Close()
	from := max(since.offset, pcapHeader)
	cmd := exec.CommandContext(ctx, "tcpdump", "-r", "-", "-nn", "-tt", "-e", withoutMarkers(filter))
	cmd.Stdin = io.MultiReader(io.NewSectionReader(f, 0, pcapHeader), io.NewSectionReader(f, from, until.offset-from))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("reading the capture of %s: %w: %s", c.name, err, strings.TrimSpace(stderr.String()))
	}
	return packetLines(string(out)), nil
}

func withoutMarkers(filter string) string {
	none := fmt.Sprintf("not ether proto 0x%04x", markerType)
	if filter == "" {
		return none
	}
	return none + " and (" + filter + ")"
}

// packetLines drops what tcpdump prints on further lines for one packet.
func packetLines(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		if line[0] != '\t' && line[0] != ' ' {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}
