package netfilter

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestFlowtableNames(t *testing.T) {
	attribute := func(size, kind uint16, body string) string { // in the machine's byte order (linux/netlink.h)
		return string(binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, size), kind)) + body
	}
	one := []byte("\x01\x00\x00\x00" + // inet
		attribute(8, flowtableTable, "fw4\x00") +
		attribute(7, flowtableName, "ft\x00\x00") + // padded
		attribute(4, 3, "")) // hook
	if got := flowtableNames([][]byte{one, {1, 0}}); !slices.Equal(got, []string{"the flowtable ft of inet fw4"}) {
		t.Errorf("%q", got)
	}
}
