package durable

import (
	"errors"
	"io/fs"
	"syscall"
)

// Trouble reports whether an error of reading or writing files is the disk's or
// the system's, and not one of what was to be written.
func Trouble(err error) bool {
	for _, e := range []error{fs.ErrPermission, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
