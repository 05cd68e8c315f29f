package netfilter

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

// legacyInfo is struct ipt_getinfo of linux/netfilter_ipv4/ip_tables.h, which
// is the same for IPv6: the shape of a table, which almost any change alters.
type legacyInfo struct {
	name       [32]byte
	validHooks uint32
	hookEntry  [5]uint32
	underflow  [5]uint32
	entries    uint32
	size       uint32
}

// getInfo is IPT_SO_GET_INFO and IP6T_SO_GET_INFO.
const getInfo = 64

// legacyProbe asks the kernel for the shapes of legacy tables without starting
// a program: six system calls a look. It must not be used with nf_tables, since
// to ask loads the tables.
type legacyProbe struct{ sockets map[rules.Family]int }

func newLegacyProbe() (legacyProbe, error) {
	p := legacyProbe{sockets: make(map[rules.Family]int)}
	for f, domain := range map[rules.Family]int{rules.IPv4: unix.AF_INET, rules.IPv6: unix.AF_INET6} {
		fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			p.close()
			return p, fmt.Errorf("opening a socket to legacy tables: %w", err)
		}
		p.sockets[f] = fd
	}
	return p, nil
}

func (p legacyProbe) close() {
	for _, fd := range p.sockets {
		_ = unix.Close(fd)
	}
}

// look returns the shapes of all tables that may have a hook of ours. A table
// that is not there has the zero shape.
func (p legacyProbe) look() [6]legacyInfo {
	var shapes [6]legacyInfo
	i := 0
	for _, f := range rules.Families() {
		for _, table := range []string{"filter", "mangle", "nat"} {
			shapes[i] = p.shape(f, table)
			i++
		}
	}
	return shapes
}

func (p legacyProbe) shape(f rules.Family, table string) legacyInfo {
	level := unix.SOL_IP
	if f == rules.IPv6 {
		level = unix.SOL_IPV6
	}
	var info legacyInfo
	copy(info.name[:], table)
	length := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(p.sockets[f]), uintptr(level), getInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return legacyInfo{}
	}
	return info
}
