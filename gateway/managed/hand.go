package managed

import (
	"os"
	"time"

	"tunic/gateway/supervise"
)

// Handed is what another daemon needs to go on with a running server. Its JSON holds
// the server's files, and so records of passwords.
type Handed struct {
	Spec    Spec
	Version string
	Process supervise.Handed
	Since   time.Time
	Ready   bool
}

// Hand returns what the daemon needs that takes this one's place, and where each
// server's output is read from, by its name. From then on none is started, until
// TakeBack or the end of this process.
func (m *Manager) Hand() (list []Handed, outputs map[string]*os.File, err error) {
	m.starting.Lock() // until TakeBack
	m.mu.Lock()
	defer m.mu.Unlock()
	outputs = make(map[string]*os.File)
	for _, s := range m.servers {
		h, out, err := s.hand()
		if err != nil {
			return nil, nil, err
		}
		if out != nil {
			list, outputs[s.name] = append(list, h), out
		}
	}
	return list, outputs, nil
}

// TakeBack ends what Hand began: servers read the files of this daemon again.
func (m *Manager) TakeBack() {
	defer m.starting.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.servers {
		s.takeBack()
	}
}

// Adopt goes on with servers that another daemon has started. It comes before Apply,
// which changes them like its own. One that has ended meanwhile is started by Apply.
func (m *Manager) Adopt(list []Handed, outputs map[string]*os.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range list {
		ring := new(ring)
		p, err := supervise.Adopt(h.Spec.Name, h.Process, outputs[h.Spec.Name], m.Log, ring.add)
		if err != nil {
			m.Log.Info("a server is started again", "server", h.Spec.Name, "error", err)
			continue
		}
		m.servers = append(m.servers, m.begin(h.Spec, nil, func(s *server) {
			s.log, s.adopted = ring, p
			s.process, s.version, s.since, s.ready = p, h.Version, h.Since, h.Ready
		}))
	}
}

// hand returns no output for a server that does not run, or that is not wished any more.
func (s *server) hand() (Handed, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || s.gone {
		return Handed{}, nil, nil
	}
	process, out, err := s.process.Hand()
	return Handed{Spec: s.spec.clone(), Version: s.version, Process: process, Since: s.since, Ready: s.ready}, out, err
}

func (s *server) takeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	err := s.spec.writeAll(s.version)
	if err == nil {
		err = s.reload()
	}
	if err != nil {
		s.err = err
	}
}

// takeAdopted returns the process that is to be adopted, once.
func (s *server) takeAdopted() *supervise.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.adopted
	s.adopted = nil
	return p
}
