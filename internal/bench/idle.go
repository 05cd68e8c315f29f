package bench

import "testing"

// What a stream may cost that is open and on which nothing moves: it has said and heard a
// word before.
const (
	idleBytes = 5 << 10
	idleFiles = 2 // both sockets, and no pipe
)

// CheckIdle fails if an idle stream takes more than it may of what measure says: bytes and
// open files of a Child.
func CheckIdle(t *testing.T, measure func(testing.TB) (memory int, files float64)) {
	t.Helper()
	if underRace {
		t.Skip("the race detector takes memory for itself")
	}
	if memory, files := measure(t); memory > idleBytes || files > idleFiles+0.1 {
		t.Errorf("an idle stream takes %d bytes and %.2f open files", memory, files)
	}
}
