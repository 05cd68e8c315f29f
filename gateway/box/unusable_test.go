package box

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// What only a disk, or a full neighbourhood, brings about.
func TestCodesOfDisksAndRanges(t *testing.T) {
	for want, err := range map[health.Code]error{health.DiskFull: syscall.ENOSPC, health.DiskReadOnly: syscall.EROFS,
		health.RangesUnwritable: syscall.EIO} {
		if got := writing(fmt.Errorf("writing: %w", &fs.PathError{Op: "write", Path: "/x", Err: err}),
			health.RangesUnwritable); got != want {
			t.Errorf("%v is %s, not %s", err, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "no", "state.json")
	for want, local := range map[health.Code][]netip.Prefix{health.RangesUnwritable: nil,
		health.NoRange: {netip.MustParsePrefix("10.128.0.0/9")}} {
		_, err := LoadRanges(path, local)
		if u, ok := errors.AsType[*unusable](err); !ok || u.code != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if u, ok := errors.AsType[*unusable](checkPassage("/not/there", feature.IDs{})); !ok || u.code != health.StateUnreadable {
		t.Errorf("a way that is not there: %+v", u)
	}
}
