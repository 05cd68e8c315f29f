package supervise

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Every way to a namespace is closed, by whatever number it is called, and all else is open.
func TestNoNamespaces(t *testing.T) {
	const here = unix.AUDIT_ARCH_X86_64
	refused, unknown := unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)
	const x32 = 0x40000000
	for _, one := range []struct {
		name                        string
		number, architecture, first uint32
		want                        uint32
	}{
		{"read", unix.SYS_READ, here, 0, unix.SECCOMP_RET_ALLOW},
		{"a thread", unix.SYS_CLONE, here, unix.CLONE_VM | unix.CLONE_THREAD, unix.SECCOMP_RET_ALLOW},
		{"clone", unix.SYS_CLONE, here, unix.CLONE_NEWUSER | uint32(unix.SIGCHLD), refused},
		{"unshare", unix.SYS_UNSHARE, here, 0, refused},
		{"setns", unix.SYS_SETNS, here, 0, refused},
		{"clone3", unix.SYS_CLONE3, here, 0, unknown},
		{"unshare by its second number", x32 | unix.SYS_UNSHARE, here, unix.CLONE_NEWUSER, unknown},
		{"clone by its second number", x32 | unix.SYS_CLONE, here, unix.CLONE_NEWUSER, unknown},
		{"setns by its second number", x32 | unix.SYS_SETNS, here, 0, unknown},
		{"of another architecture", unix.SYS_READ, unix.AUDIT_ARCH_I386, 0, unknown},
	} {
		data := map[uint32]uint32{seccompNumber: one.number, seccompArchitecture: one.architecture, seccompFirst: one.first}
		if got := filtered(t, noNamespaces(here), data); got != one.want {
			t.Errorf("%s: %#x, want %#x", one.name, got, one.want)
		}
	}
}

// filtered is what the kernel would make of a call.
func filtered(t *testing.T, filter []unix.SockFilter, data map[uint32]uint32) uint32 {
	t.Helper()
	var a uint32
	jump := func(at int, f unix.SockFilter, yes bool) int {
		if yes {
			return at + int(f.Jt)
		}
		return at + int(f.Jf)
	}
	for at := 0; at < len(filter); at++ {
		switch f := filter[at]; f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = data[f.K]
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			at = jump(at, f, a == f.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			at = jump(at, f, a >= f.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			at = jump(at, f, a&f.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return f.K
		default:
			t.Fatalf("instruction %d is none that is known here: %#x", at, f.Code)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}
