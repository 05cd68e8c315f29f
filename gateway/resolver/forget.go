package resolver

// ForgetAll drops what was learned for all devices and their connections to
// the TLS server, so that every next question has new circuits.
func (r *Resolver) ForgetAll() error {
	s, err := newState(r.Options, r.state.Load().config)
	if err != nil {
		return err
	}
	r.swap(s)
	return nil
}
