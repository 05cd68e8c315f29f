package supervise

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// architectures are those of seccomp(2) (linux/audit.h) of which a system call is told by
// its number, and whose clone(2) has its flags first. On others nothing is refused.
var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "arm": unix.AUDIT_ARCH_ARM,
	"386": unix.AUDIT_ARCH_I386, "riscv64": unix.AUDIT_ARCH_RISCV64}

// newNamespaces are the flags of clone(2) that make any.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET

// Offsets in what a filter looks at (struct seccomp_data).
const (
	seccompNumber       = 0
	seccompArchitecture = 4
	seccompFirst        = 16 // the lower half of the first argument, on little-endian processors
)

// secondNumbers is where the numbers begin by which x86-64 has all calls a second time
// (x32), in kernels that have that. No other architecture has such numbers.
const secondNumbers = 0x40000000

// withoutNamespaces has this process, and what comes of it, make and enter no namespaces
// (namespaces(7)): in one of users it would be a root of its own towards much of
// the kernel. The daemon itself makes them for those who have some, before. no_new_privs
// must be set.
func withoutNamespaces() error {
	architecture, ok := architectures[runtime.GOARCH]
	if !ok {
		return nil
	}
	filter := noNamespaces(architecture)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	runtime.KeepAlive(filter)
	if err != nil && !errors.Is(err, unix.EINVAL) { // a kernel that has no filters
		return fmt.Errorf("giving up namespaces: %w", err)
	}
	return nil
}

// noNamespaces is the filter of withoutNamespaces.
func noNamespaces(architecture uint32) []unix.SockFilter {
	const refused = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	const unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS) // clone3 hides its flags; libraries take clone then
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(what uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what} }
	is := func(value uint32, yes uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: yes}
	}
	return []unix.SockFilter{
		load(seccompArchitecture), is(architecture, 1), answer(unknown),
		load(seccompNumber),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: secondNumbers, Jt: 9},
		is(unix.SYS_UNSHARE, 7), is(unix.SYS_SETNS, 6), is(unix.SYS_CLONE3, 6), is(unix.SYS_CLONE, 1),
		answer(unix.SECCOMP_RET_ALLOW),
		load(seccompFirst),
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: newNamespaces, Jt: 1},
		answer(unix.SECCOMP_RET_ALLOW),
		answer(refused),
		answer(unknown),
	}
}
