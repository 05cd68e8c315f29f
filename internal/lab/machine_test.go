package lab

import (
	"slices"
	"testing"
)

func TestMountsBelow(t *testing.T) {
	const mountinfo = `22 26 0:21 / /sys rw,relatime - sysfs sysfs rw
40 26 7:1 / /var/lib/tunic-lab/x/machines/gateway/disk rw shared:3 - ext4 /dev/loop1 rw
41 26 0:50 / /var/lib/tunic-lab/x/machines/gateway/root rw - overlay overlay rw
42 26 0:51 / /var/lib/tunic-lab/xy/machines/gateway/root rw - overlay overlay rw
`
	got := mountsBelow(mountinfo, "/var/lib/tunic-lab/x")
	want := []string{"/var/lib/tunic-lab/x/machines/gateway/disk", "/var/lib/tunic-lab/x/machines/gateway/root"}
	if !slices.Equal(got, want) {
		t.Errorf("below the lab are %q, want %q", got, want)
	}
}
