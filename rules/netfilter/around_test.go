package netfilter

import (
	"slices"
	"testing"
)

func TestFlowtableNames(t *testing.T) {
	one := []byte{1, 0, 0, 0, // inet
		8, 0, 1, 0, 'f', 'w', '4', 0, // table
		7, 0, 2, 0, 'f', 't', 0, 0, // name, padded
		4, 0, 3, 0} // hook
	if got := flowtableNames([][]byte{one, {1, 0}}); !slices.Equal(got, []string{"the flowtable ft of inet fw4"}) {
		t.Errorf("%q", got)
	}
}
