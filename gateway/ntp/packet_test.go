package ntp

import (
	"encoding/binary"
	"testing"
	"time"
)

// ask is a client's packet.
func ask(version, mode byte) []byte {
	b := make([]byte, packetLen)
	b[0], b[2] = version<<3|mode, 6
	binary.BigEndian.PutUint64(b[40:], 0x1122334455667788)
	return b
}

func TestParse(t *testing.T) {
	long := append(ask(4, 3), make([]byte, 200)...)
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"version 3", ask(3, 3), true},
		{"version 4", ask(4, 3), true},
		{"with extensions", long, true},
		{"version 1", ask(1, 3), true},
		{"version 2", ask(2, 3), true},
		{"version 0", ask(0, 3), false},
		{"version 5", ask(5, 3), false},
		{"another server", ask(4, 4), false},
		{"symmetric", ask(4, 1), false},
		{"broadcast", ask(4, 5), false},
		{"control", ask(2, 6), false},
		{"private, monlist", ask(2, 7), false},
		{"short", ask(4, 3)[:47], false},
		{"empty", nil, false},
	} {
		if r, ok := parse(c.b); ok != c.ok || ok && (r.transmit != 0x1122334455667788 || r.poll != 6) {
			t.Errorf("%s: %+v, %v", c.name, r, ok)
		}
	}
}

func TestAnswer(t *testing.T) {
	received := time.Date(2026, 11, 23, 22, 0, 0, 250_000_000, time.UTC)
	now := received.Add(time.Millisecond)
	r, _ := parse(ask(4, 3))
	b := r.answer(received, now, Clock{Trusted: true, MaxError: 1500 * time.Millisecond})
	if len(b) != packetLen || b[0] != 0<<6|4<<3|4 || b[1] != 10 || b[2] != 6 || int8(b[3]) != -20 {
		t.Errorf("header % x", b[:4])
	}
	if got := binary.BigEndian.Uint32(b[8:]); got != 0x00018000 {
		t.Errorf("root dispersion %#x, want 1.5 s", got)
	}
	if string(b[12:16]) != "\x7f\x7f\x01\x01" {
		t.Errorf("reference % x", b[12:16])
	}
	if got := binary.BigEndian.Uint64(b[24:]); got != 0x1122334455667788 {
		t.Errorf("origin %#x is not what the client sent", got)
	}
	if got := binary.BigEndian.Uint64(b[32:]); got != uint64(received.Unix()+epoch)<<32|1<<30 {
		t.Errorf("received %#x", got)
	}
	if got := binary.BigEndian.Uint64(b[40:]); got <= binary.BigEndian.Uint64(b[32:]) {
		t.Errorf("sent %#x before it was received", got)
	}
}

// A clock that is not to be trusted is one that no client takes (RFC 5905,
// section 8; RFC 4330, section 5).
func TestUntrustedClock(t *testing.T) {
	r, _ := parse(ask(3, 3))
	b := r.answer(time.Now(), time.Now(), Clock{})
	if b[0]>>6 != 3 || b[0]>>3&7 != 3 || b[1] != 0 || string(b[12:16]) != "INIT" || binary.BigEndian.Uint64(b[16:]) != 0 {
		t.Errorf("% x", b)
	}
}

// A client that speaks an older version is answered in it.
func TestOldVersions(t *testing.T) {
	for version := byte(oldestVersion); version <= newestVersion; version++ {
		r, ok := parse(ask(version, 3))
		if b := r.answer(time.Now(), time.Now(), Clock{Trusted: true}); !ok || b[0]>>3&7 != version || b[0]&7 != modeServer {
			t.Errorf("version %d: %v, % x", version, ok, b[:1])
		}
	}
}

func TestStamp(t *testing.T) {
	for at, want := range map[string]uint64{
		"1970-01-01T00:00:00Z":           2208988800 << 32,
		"2036-02-07T06:28:15.5Z":         0xffffffff<<32 | 1<<31,
		"2036-02-07T06:28:16Z":           0, // the next era
		"2026-11-23T00:00:00.999999999Z": uint64(4004380800)<<32 | 0xfffffffb,
	} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := stamp(when); got != want {
			t.Errorf("%s: %#x, want %#x", at, got, want)
		}
	}
	if short(-1) != 0 || short(time.Second/2) != 1<<15 || short(1000*time.Hour) != 0xffff0000 {
		t.Errorf("short: %#x %#x %#x", short(-1), short(time.Second/2), short(1000*time.Hour))
	}
}

// FuzzReply: whatever comes in, what goes out is never longer.
func FuzzReply(f *testing.F) {
	f.Add(ask(4, 3))
	f.Add(ask(2, 7))
	f.Add([]byte{0x1b})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parse(b)
		if !ok {
			return
		}
		reply := r.answer(time.Now(), time.Now(), Clock{Trusted: true})
		if len(reply) > len(b) || reply[0]&7 != modeServer {
			t.Errorf("% x was answered by % x", b, reply)
		}
	})
}
