package box

import (
	"errors"
	"fmt"
	"syscall"

	"tunic/gateway/health"
)

// unusable is why the box has no place for its state, or no virtual addresses:
// an error that names the finding that it becomes. Each has a code of its own, so
// that a script can tell a full disk from a wrong owner.
type unusable struct {
	code    health.Code
	subject string // the path, or network, that it is about
	err     error
}

func (u *unusable) Error() string { return u.err.Error() }
func (u *unusable) Unwrap() error { return u.err }

// Cannot makes an error of something that the box cannot do without.
func Cannot(code health.Code, subject, format string, args ...any) error {
	return &unusable{code, subject, fmt.Errorf(format, args...)}
}

// writing returns the code of an error of writing: that of the disk, if it is the
// disk's fault, which is mended elsewhere than at the path.
func writing(err error, otherwise health.Code) health.Code {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return health.DiskFull
	case errors.Is(err, syscall.EROFS):
		return health.DiskReadOnly
	}
	return otherwise
}

// Finding is what a failed preparation is told as; then says what follows
// from it.
func Finding(err error, then string) health.Finding {
	text := fmt.Sprintf("%v; until then %s", err, then)
	if u, ok := errors.AsType[*unusable](err); ok {
		return health.New(u.code, u.subject, text)
	}
	return health.New(health.StateNotMade, "", text)
}
