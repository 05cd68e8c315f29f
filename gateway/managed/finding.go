package managed

import (
	"errors"
	"fmt"

	"tunic/gateway/health"
)

// Finding says what is wrong with a server, if something is.
func (s Status) Finding() (f health.Finding, ok bool) {
	code, ok := s.code()
	if !ok {
		return f, false
	}
	return health.New(code, s.Name, s.words()), true
}

// code is that of the finding about a server, if there is one.
func (s Status) code() (health.Code, bool) {
	switch {
	case errors.As(s.Err, new(*MissingError)):
		return health.ServerMissing, true
	case errors.As(s.Err, new(*VersionError)):
		return health.ServerOld, true
	case errors.As(s.Err, new(*EarlyError)):
		return health.ServerFails, true
	case s.Err != nil:
		return health.ServerDown, true
	case !s.Ready:
		return health.ServerStarting, true
	case s.Untried:
		return health.ServerUntried, true
	}
	return "", false
}

func (s Status) words() string {
	switch {
	case s.Err != nil && s.Untried:
		return fmt.Sprintf("%v; %s %s is newer than what tunic was tried with", s.Err, s.Name, s.Version)
	case s.Err != nil:
		return s.Err.Error()
	case !s.Ready:
		return s.Name + " is being started"
	}
	return fmt.Sprintf("%s %s is newer than what tunic was tried with; it runs with the newest configuration that tunic has",
		s.Name, s.Version)
}
