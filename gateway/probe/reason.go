package probe

import (
	"context"
	"errors"
	"net"
	"syscall"

	"tunic/gateway/health"
)

// Reason says in words why a server could not be connected to or did not
// answer, without the addresses in the error.
func Reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer: its host is off, or drops what comes to that port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "its host is not there"
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "tunic may not connect to it"
	}
	return health.Words(err.Error())
}
