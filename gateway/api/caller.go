package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// caller is whoever has opened a connection, as the kernel says (SO_PEERCRED, unix(7)).
type caller struct{ uid int }

type callerKey struct{}

// nobody is a caller of whom the kernel says nothing.
const nobody = -1

// withCaller notes who has opened a connection.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	who := caller{nobody}
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { // a closed connection stays nobody's
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					who.uid = int(cred.Uid)
				}
			})
		}
	}
	return context.WithValue(ctx, callerKey{}, who)
}

// everything reports whether the caller may do all there is: root, and the user
// that the daemon runs as.
func everything(ctx context.Context) bool {
	who, ok := ctx.Value(callerKey{}).(caller)
	return ok && (who.uid == 0 || who.uid == os.Geteuid())
}

var errOnlyLook = errors.New("permission denied: members of the group may look, and root alone may change something")

// guarded refuses what is no look to callers who may only look. The mode of
// the socket keeps out everybody else.
func (r route) guarded(w http.ResponseWriter, req *http.Request) {
	if !r.looks && !everything(req.Context()) {
		answer(w, nil, &Failure{Problem{Error: errOnlyLook.Error(), Hint: "run the command as root (sudo)"}})
		return
	}
	r.handle(w, req)
}

// look is a request that changes nothing and tells no secret.
func look(r route) route {
	r.looks = true
	return r
}
