package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestTrouble(t *testing.T) {
	for want, errs := range map[bool][]error{
		true: {&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, fmt.Errorf("writing: %w", syscall.EROFS),
			errors.Join(errors.New("x"), fs.ErrPermission)},
		false: {nil, fs.ErrNotExist, fs.ErrExist, errors.New("a wrong word"), &os.PathError{Op: "open", Err: syscall.ENOTDIR}},
	} {
		for _, err := range errs {
			if Trouble(err) != want {
				t.Errorf("%v: %v", err, !want)
			}
		}
	}
	// A disk that is full, as the kernel says it.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := full.WriteString("x"); !Trouble(err) {
		t.Errorf("%v", err)
	}
}
