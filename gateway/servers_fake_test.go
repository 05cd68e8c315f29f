package gateway

import (
	"tunic/gateway/managed"
)

type fakeServers struct{ *fakes }

func (f fakeServers) Apply(specs []managed.Spec) {
	f.set(func() {
		f.specs = specs
		for _, s := range specs {
			f.journal = append(f.journal, "server "+s.Name)
		}
	})
}

func (f fakeServers) Status() []managed.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []managed.Status
	for _, s := range f.specs {
		st := f.servers
		st.Name = s.Name
		list = append(list, st)
	}
	return list
}

func (f fakeServers) Tail(name string) ([]string, bool) {
	return []string{"words of " + name}, name == "dovecot"
}
