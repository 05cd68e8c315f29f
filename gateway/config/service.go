package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Service is services/NAME.toml: a program of the box, or a TCP port of the house,
// that the friends who are named may use, and nobody else.
type Service struct {
	Name    string
	Command []string // the program, an absolute path, and its arguments; empty: Target
	Target  Target   // a TCP port or a unix socket; with Proxy v2 it is told which friend comes
	Friends []string // petnames; at least one, none twice
	Port    uint16   // at which friends' houses have it at this box's name; 0: by TCPMUX alone
	Limits  ServiceLimits
}

// ServiceLimits bound what a service's friends take of the box.
type ServiceLimits struct {
	AtOnce    int           // streams of one friend
	Time      time.Duration // of one stream
	Memory    int64         // bytes of data of each process; for commands
	Processes int           // processes and threads of one stream's command
}

// Services that every box has for its friends: DropService takes files, and TalkService
// leads to the table at which people of the house wait for a friend.
const (
	DropService = "drop"
	TalkService = "talk"
)

// builtIn are services that have no file, and HELP, which is TCPMUX's own word.
var builtIn = []string{DropService, TalkService, "help"}

// defaultLimits are for a program that answers, and for people who stay a while.
var defaultLimits = ServiceLimits{AtOnce: 4, Time: time.Hour, Memory: 256 << 20, Processes: 32}

// Bounds of what a file may say.
const (
	maxServices       = 64
	maxServiceTime    = 7 * 24 * time.Hour
	maxServiceMemory  = 64 << 10 // MiB
	maxServiceStreams = 64
	maxProcesses      = 4096
	maxArguments      = 64
)

const commandHint = `write the program with its whole path and each argument by itself: command = ["/usr/bin/fortune", "-s"]`

// services reads services/NAME.toml.
func (l *loader) services(cfg *Config) {
	ports := make(map[uint16]string)
	l.each(l.paths.ServiceDir(), func(name string, t *table) {
		s := readService(name, t)
		if s.Target != (Target{}) {
			if p := l.checkServiceTarget(s.Target, cfg); p != nil {
				t.add("target", p)
			}
		}
		checkServiceFriends(s, cfg.Peers, t)
		if other := ports[s.Port]; s.Port != 0 && other != "" {
			t.add("port", problemf("give each a port of its own", "port %d is that of the service %s", s.Port, other))
		}
		ports[s.Port] = name
		if len(cfg.Services) == maxServices {
			t.doc.add("", problemf("remove one", "there are more than %d services", maxServices))
			return
		}
		cfg.Services = append(cfg.Services, s)
	})
}

// readService reads what one file says, without a look at other files.
func readService(name string, t *table) Service {
	s := Service{Name: name, Limits: defaultLimits}
	if p := checkPetname(name); p != nil && checkName(name) == nil { // a name ends with a letter or digit
		t.doc.add("", p)
	}
	if slices.Contains(builtIn, name) {
		t.doc.add("", problemf("choose another name", "%s is a service that every box has", name))
	}
	n, list := t.texts("command", func(path, text string) {
		if strings.ContainsRune(text, 0) {
			t.doc.add(path, problemf(commandHint, "it holds a zero byte"))
		}
		s.Command = append(s.Command, text)
	})
	switch {
	case t.has("command") == t.has("target"):
		t.missing("command", `write either command = ["/usr/bin/PROGRAM"] or target = "HOST:PORT"`)
	case list && (n == 0 || n > maxArguments || len(s.Command) > 0 && !filepath.IsAbs(s.Command[0])):
		t.add("command", problemf(commandHint, "it is no program"))
	}
	if t.has("target") {
		s.Target, _ = readTarget(t, "target")
	}
	t.texts("friends", func(path, name string) {
		p := checkPetname(name)
		if p == nil && slices.Contains(s.Friends, name) {
			p = problemf("", "%s is there twice", name)
		}
		if p != nil {
			t.doc.add(path, p)
			return
		}
		s.Friends = append(s.Friends, name)
	})
	if !t.has("friends") {
		t.missing("friends", `name those who may use it, like friends = ["alice"]; friends = [] is nobody`)
	}
	readServicePort(&s, t)
	readServiceLimits(&s.Limits, len(s.Command) > 0, t)
	return s
}

// readServicePort reads the port that a service has at friends' houses.
func readServicePort(s *Service, t *table) {
	n, ok := t.integer("port")
	if !ok {
		return
	}
	switch {
	case n < 1 || n > 65535:
		t.add("port", problemf("", "%d is no port: 1 to 65535", n))
	case slices.Contains([]uint16{MuxPort, PagePort, FilesPort, PairPort}, uint16(n)), slices.Contains(internalPorts(), uint16(n)):
		t.add("port", problemf("choose another", "port %d of this box's name has another meaning", n))
	default:
		s.Port = uint16(n)
	}
}

// readServiceLimits reads what differs from the defaults. Those of processes have no
// meaning for a target.
func readServiceLimits(l *ServiceLimits, command bool, t *table) {
	number := func(key string, most int64, set func(int64)) {
		if n, ok := t.integer(key); ok && (n < 1 || n > most) {
			t.add(key, problemf("", "must be 1 to %d", most))
		} else if ok {
			set(n)
		}
	}
	number("at-once", maxServiceStreams, func(n int64) { l.AtOnce = int(n) })
	if text, ok := t.text("time"); ok {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second || d > maxServiceTime {
			t.add("time", problemf(`write it like "30s", "10m" or "12h", up to a week`, "%q is no length of time for this", text))
		} else {
			l.Time = d
		}
	}
	if !command {
		return
	}
	number("memory", maxServiceMemory, func(n int64) { l.Memory = n << 20 })
	number("processes", maxProcesses, func(n int64) { l.Processes = int(n) })
}

// checkServiceTarget refuses what is no TCP port or socket of somebody else's program.
func (l *loader) checkServiceTarget(t Target, cfg *Config) *problem {
	switch {
	case t.Endpoint != "":
		return problemf("leave the service out", "the box's own endpoint %q is there for every friend", t.Endpoint)
	case t.HTTPHost != "":
		return problemf(`write target = "HOST:PORT"`, "the target of a service has no host")
	case t.Proxy == ProxyV1:
		return problemf(`write proxy = "v2"`, "version 1 of the PROXY protocol has no place for a friend")
	}
	return l.checkTarget(t, cfg)
}

// checkServiceFriends looks for the friends.
func checkServiceFriends(s Service, peers []Peer, t *table) {
	var names []string
	for _, p := range peers {
		names = append(names, p.Name)
	}
	for i, name := range s.Friends {
		if !slices.Contains(names, name) {
			hint := didYouMean(name, names)
			if hint == "" {
				hint = "`tunic friends` lists them"
			}
			t.doc.add(fmt.Sprintf("friends[%d]", i), problemf(hint, "no friend is called %q", name))
		}
	}
}

// checkServicePorts refuses own ports that home itself has already: friends could not
// tell which is meant.
func (c *Config) checkServicePorts(l *loader) {
	home, _ := c.Onion(HomeOnion)
	for _, s := range c.Services {
		if s.Port != 0 && slices.ContainsFunc(home.Ports, func(p Port) bool { return p.Virtual == s.Port }) {
			l.errs = append(l.errs, Error{File: l.paths.ServiceFile(s.Name), Key: "port", Hint: "choose another",
				Msg: fmt.Sprintf("port %d is another one's at %s", s.Port, HomeOnion)})
		}
	}
}
