package tor

import (
	"strconv"
	"time"
)

// dangerousPort takes a DANGEROUS_PORT event (control-spec, "Client status
// events"): something is about to be dialled on a port of services that speak
// in clear, so that the exit can read it. Who dialled, and whom, is not noted.
func (s *Status) dangerousPort(text string, now time.Time) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return
	}
	if s.Cleartext == nil {
		s.Cleartext = make(map[uint16]time.Time)
	}
	s.Cleartext[uint16(port)] = now
}
