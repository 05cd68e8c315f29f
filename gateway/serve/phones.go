package serve

import (
	"fmt"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// phoneStreams is what one phone may have open at a time; it has a front of its own, so
// that it takes nothing from others. A device at home has as many of one service.
const phoneStreams = 64

// phones are what phones have in common that are away from home.
type phones struct {
	limiter *endpoint.Limiter // they stay connected and wait, as devices do; their front counts
	sent    []link.TLS        // their certificates, as the parent sent them
}

// phoneRoute leads a port of a phone's onion to what devices of the house reach. To the
// servers the phone is one device, which has the same name for good: what it does wrong
// is counted for it alone.
func (s *Server) phoneRoute(f link.Front, p link.Port) onion.Route {
	ep := s.endpointAt(f.Phone, p.Endpoint)
	return onion.Route{Key: fmt.Sprintf("phone:%s:%s:%p", f.Phone, p.Endpoint, ep),
		Handler: hosted{Endpoint: ep, host: f.Host, id: phoneID(f.Phone), limiter: s.phones.limiter, log: s.log}}
}

// phoneID is a phone among devices, which are called by addresses.
func phoneID(name string) string { return "phone " + name }

// endpointAt returns a running server of the box: for a phone's onion one that devices
// of the house reach, for others what endpoint does.
func (s *Server) endpointAt(phone, name string) endpoint.Endpoint {
	if phone == "" {
		return s.endpoint(name)
	}
	switch name {
	case config.SubmissionEndpoint:
		if p := s.smtp.get(); p != nil {
			return p.Submission()
		}
	case config.IMAPEndpoint, config.ChatEndpoint, config.FilesEndpoint:
		s.mu.Lock()
		defer s.mu.Unlock()
		if t := s.hosted[name]; t != nil {
			return t
		}
	}
	return nil
}
