package tor

import "strconv"

// Traffic is how many bytes tor has read from the network and written to it since it was
// started (control-spec, "GETINFO", traffic/read and traffic/written), its own included.
// false: it does not run, or does not say.
func (t *Tor) Traffic() (read, written uint64, ok bool) {
	s := t.running()
	if s == nil {
		return 0, 0, false
	}
	read, ok = s.counter("traffic/read")
	if ok {
		written, ok = s.counter("traffic/written")
	}
	return read, written, ok
}

func (s *session) counter(key string) (uint64, bool) {
	text, err := s.commands.getInfo(key)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
