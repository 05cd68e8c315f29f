//go:build lab

package e2e

import (
	"os"
	"strings"
	"time"
)

// kernelVariable names a kernel of Debian's for a machine that the test makes.
const kernelVariable = "TUNIC_KERNEL"

// machines are computers that a friend may have in the house.
func machines() []system {
	return []system{{"a virtual machine", []string{"qemu-system-x86"}, []string{"2323"}, tryMachine}}
}

// firstProcess is all that the machine has besides the kernel and busybox.
const firstProcess = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc && mount -t proc proc /proc
exec sh
`

// tryMachine boots a machine whose console is at the friend's onion. It has no network and no disk, and the processor is
// emulated: the lab does not need one that can lend its own.
func tryMachine(t *trial) {
	kernel := os.Getenv(kernelVariable)
	if kernel == "" {
		t.Fatalf("%s does not say where a kernel is: see `make systems`", kernelVariable)
	}
	t.file("root/init", firstProcess)
	t.mustSh("nas", "mkdir root/bin && cp /bin/busybox root/bin && chmod 755 root/init && cd root && "+
		"find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 > ../initrd")
	t.does("QEMU (emulated processor, no KVM) boots Debian's kernel; a shell at its serial console, by NAME", func() {
		t.runs("nas", "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "256", "-nodefaults",
			"-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", t.dir+"/initrd", "-append", "console=ttyS0 quiet",
			"-serial", "tcp:"+nas4+":2323,server=on,wait=off")
		t.eventually("the console", systemLimit, func() bool {
			return strings.Contains(t.sh("nas", "ss -Hltn sport = :2323").Stdout, "LISTEN")
		})
		bob := t.terminal("friend-laptop", "nc "+svc+" 2323")
		t.eventually("the machine's shell", 3*systemLimit, func() bool {
			bob.types("echo the host is called $(cat /proc/sys/kernel/ostype)")
			t.pause(time.Second)
			return strings.Contains(bob.screen(), "the host is called Linux")
		})
	})
}
