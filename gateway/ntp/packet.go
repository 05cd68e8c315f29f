package ntp

import (
	"encoding/binary"
	"time"
)

// packetLen is the header without extensions and authenticator, in bytes
// (RFC 5905, section 7.3).
const packetLen = 48

// Modes and leap indicators that matter here (RFC 5905, figures 9 and 10).
const (
	modeClient, modeServer = 3, 4
	leapNone, leapUnknown  = 0, 3
)

const (
	// Servers answer who speaks an older version in that version, and the
	// header is the same in all of them (RFC 5905, section 7.3; RFC 4330,
	// section 5). Some devices still say 1.
	oldestVersion, newestVersion = 1, 4

	// stratum says "some steps away from a real clock": who has nearer servers
	// prefers those.
	stratum   = 10
	precision = -20 // about a microsecond, as a power of two of seconds
)

// Reference identifiers (RFC 5905, sections 7.3 and 7.4).
var (
	refLocal = [4]byte{127, 127, 1, 1} // the machine's own clock
	refInit  = [4]byte{'I', 'N', 'I', 'T'}
)

// request is what is read of a client's packet.
type request struct {
	version  byte
	poll     byte
	transmit uint64 // the client's own time stamp, or noise: it only comes back
}

// parse reads a question for the time. Everything else, also what is asked of
// servers that can be steered (modes 6 and 7), is no such question. What
// follows the header is not looked at.
func parse(b []byte) (request, bool) {
	if len(b) < packetLen {
		return request{}, false
	}
	r := request{version: b[0] >> 3 & 7, poll: b[2], transmit: binary.BigEndian.Uint64(b[40:])}
	ok := b[0]&7 == modeClient && r.version >= oldestVersion && r.version <= newestVersion
	return r, ok
}

// answer makes the reply to a question that arrived at received. A clock that
// is not to be trusted says so as RFC 5905 wants it: an unknown leap, stratum
// 0 on the wire (section 7.3) and the kiss code INIT (section 7.4).
func (r request) answer(received, now time.Time, c Clock) []byte {
	b := make([]byte, packetLen)
	received, now = received.Add(c.Behind), now.Add(c.Behind)
	leap, ref := byte(leapNone), refLocal
	b[1] = stratum
	if !c.Trusted {
		leap, ref, b[1] = leapUnknown, refInit, 0
	}
	b[0] = leap<<6 | r.version<<3 | modeServer
	b[2], b[3] = r.poll, 0x100+precision
	binary.BigEndian.PutUint32(b[8:], short(c.MaxError))
	copy(b[12:], ref[:])
	if c.Trusted {
		binary.BigEndian.PutUint64(b[16:], stamp(received.Truncate(time.Second)))
	}
	binary.BigEndian.PutUint64(b[24:], r.transmit)
	binary.BigEndian.PutUint64(b[32:], stamp(received))
	binary.BigEndian.PutUint64(b[40:], stamp(now))
	return b
}

// epoch is the beginning of NTP's era 0 before that of Unix, in seconds; later
// eras begin at the same remainder (RFC 5905, section 6).
const epoch = 2208988800

// stamp is a time in NTP's 64-bit format: seconds and their fraction.
func stamp(t time.Time) uint64 {
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// short is a duration in NTP's 32-bit format, at most 2^16 seconds.
func short(d time.Duration) uint32 {
	d = min(max(d, 0), (1<<16-1)*time.Second)
	return uint32(d/time.Second)<<16 | uint32(d%time.Second<<16/time.Second)
}
