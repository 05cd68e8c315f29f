//go:build lab

package smtp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slowSize is its size in bytes.
const slowSize = 1 << 30

// slowDisk is a directory on a disk of its own: an ext4 whose disk takes a while
// for each flush of its cache, as a card does. Its disk is a loop device on a
// file that this process serves by FUSE (linux/fuse.h), which waits in FSYNC.
// The kernel sends a flush as that, one after the other, and a write that has to
// be durable by itself as a write and a flush.
func slowDisk(b *testing.B, wait time.Duration) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "slow-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // Postfix has users of its own
		b.Fatal(err)
	}
	image, err := os.Create(filepath.Join(dir, "image"))
	if err == nil {
		err = image.Truncate(slowSize)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { image.Close() })
	served, disk := filepath.Join(dir, "served"), filepath.Join(dir, "disk")
	for _, d := range []string{served, disk} {
		if err := os.Mkdir(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	fuse, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err == nil {
		err = syscall.Mount("slow", served, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse))
	}
	if err != nil {
		b.Fatalf("serving a slow disk: %v", err)
	}
	b.Cleanup(func() { syscall.Unmount(served, syscall.MNT_DETACH); syscall.Close(fuse) })
	go (&fuseFile{fuse, image, wait}).serve()
	loop := strings.TrimSpace(run(b, "losetup", "--find", "--show", filepath.Join(served, "disk")))
	b.Cleanup(func() { run(b, "losetup", "--detach", loop) })
	run(b, "mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", loop)
	run(b, "mount", loop, disk)
	b.Cleanup(func() { run(b, "umount", "--lazy", disk) })
	return disk
}

func run(b *testing.B, name string, args ...string) string {
	b.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		b.Errorf("%s %v: %v: %s", name, args, err, out)
	}
	return string(out)
}

// fuseFile serves a directory with one file, "disk".
type fuseFile struct {
	fuse  int
	image *os.File
	wait  time.Duration
}

// Operations of fuse.h, by their numbers.
const (
	fuseLookup, fuseForget, fuseGetattr, fuseSetattr, fuseOpen, fuseRead, fuseWrite = 1, 2, 3, 4, 14, 15, 16
	fuseStatfs, fuseRelease, fuseFsync, fuseFlush, fuseInit, fuseOpendir            = 17, 18, 20, 25, 26, 27
	fuseReleasedir, fuseBatchForget                                                 = 29, 42

	fuseMaxWrite = 128 << 10
	fuseTrust    = 3600 // seconds for which the kernel remembers what it was told
)

var le = binary.LittleEndian

// serve answers until the file system is unmounted; each request by itself, so
// that only a sync waits for itself.
func (f *fuseFile) serve() {
	for {
		buf := make([]byte, 2*fuseMaxWrite)
		n, err := syscall.Read(f.fuse, buf)
		switch {
		case errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EAGAIN):
		case err != nil:
			return
		default:
			go f.answer(buf[:n])
		}
	}
}

// answer sends what a request (struct fuse_in_header, then its own) asks for.
func (f *fuseFile) answer(in []byte) {
	operation, unique, node := le.Uint32(in[4:]), in[8:16], le.Uint64(in[16:])
	if operation == fuseForget || operation == fuseBatchForget {
		return
	}
	out, errno := f.do(operation, node, in[40:])
	head := make([]byte, 16)
	le.PutUint32(head, uint32(len(head)+len(out)))
	le.PutUint32(head[4:], uint32(-int32(errno)))
	copy(head[8:], unique)
	syscall.Write(f.fuse, append(head, out...))
}

func (f *fuseFile) do(operation uint32, node uint64, in []byte) (out []byte, errno syscall.Errno) {
	switch operation {
	case fuseInit: // struct fuse_init_out: version 7.31, big writes
		out = make([]byte, 64)
		for at, v := range map[int]uint32{0: 7, 4: 31, 8: fuseMaxWrite, 12: 1 | 1<<5, 16: 48<<16 | 64, 20: fuseMaxWrite, 24: 1} {
			le.PutUint32(out[at:], v)
		}
	case fuseLookup: // struct fuse_entry_out
		if string(in) != "disk\x00" {
			return nil, syscall.ENOENT
		}
		out = make([]byte, 40)
		le.PutUint64(out, 2)
		le.PutUint64(out[16:], fuseTrust)
		le.PutUint64(out[24:], fuseTrust)
		out = append(out, f.attributes(2)...)
	case fuseGetattr, fuseSetattr: // struct fuse_attr_out
		out = append(le.AppendUint64(nil, fuseTrust), make([]byte, 8)...)
		out = append(out, f.attributes(node)...)
	case fuseOpen, fuseOpendir:
		out = make([]byte, 16)
	case fuseRead:
		out = make([]byte, le.Uint32(in[16:]))
		n, _ := f.image.ReadAt(out, int64(le.Uint64(in[8:])))
		out = out[:n]
	case fuseWrite:
		n := le.Uint32(in[16:])
		if _, err := f.image.WriteAt(in[40:40+n], int64(le.Uint64(in[8:]))); err != nil {
			return nil, syscall.EIO
		}
		out = le.AppendUint64(nil, uint64(n))
	case fuseStatfs:
		out = make([]byte, 80)
		le.PutUint32(out[40:], 4096)
	case fuseFsync:
		time.Sleep(f.wait)
	case fuseRelease, fuseReleasedir, fuseFlush:
	default:
		return nil, syscall.ENOSYS
	}
	return out, 0
}

// attributes is a struct fuse_attr: of the directory, 1, or the file, 2.
func (f *fuseFile) attributes(node uint64) []byte {
	out := make([]byte, 88)
	le.PutUint64(out, node)
	mode := uint32(syscall.S_IFDIR | 0o755)
	if node == 2 {
		mode = syscall.S_IFREG | 0o600
		le.PutUint64(out[8:], slowSize)
		le.PutUint64(out[16:], slowSize/512)
	}
	for at, v := range map[int]uint32{60: mode, 64: 1, 80: 4096} {
		le.PutUint32(out[at:], v)
	}
	return out
}
