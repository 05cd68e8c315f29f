package friends

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tunic/gateway/onion"
)

// address is the n-th of many onions.
func address(n int) onion.Address {
	key := make([]byte, 32)
	binary.BigEndian.PutUint64(key, uint64(n))
	return onion.FromPublicKey(key)
}

func (v *virtuals) must(t *testing.T, want ...claim) map[onion.Address]uint16 {
	t.Helper()
	if err := v.number(want); err != nil {
		t.Fatal(err)
	}
	return v.numbers()
}

// One friend who offers more and more onions uses up the addresses of its own
// box alone, the first given first.
func TestVirtualAddressesOfOneFriend(t *testing.T) {
	v := virtuals{path: filepath.Join(t.TempDir(), "virtual.json")}
	alice, bob := claim{address(1), address(1)}, claim{address(2), address(2)}
	photos := claim{address(3), bob.Onion}
	before := v.must(t, alice, bob, photos)
	kept := claim{address(99), alice.Onion}
	for round := range 1100 { // 64 * 1100 is more than there are
		want := []claim{alice, bob, photos, kept}
		for i := range 64 {
			want = append(want, claim{address(1000 + 64*round + i), alice.Onion})
		}
		if round == 1099 {
			want = append(want, claim{address(4), address(4)})
		}
		if err := v.numberInMemory(want); err != nil {
			t.Fatal(err)
		}
	}
	after := v.numbers()
	for _, c := range []claim{alice, bob, photos} {
		if before[c.Onion] != after[c.Onion] {
			t.Errorf("%s had %d, has %d", c.Onion, before[c.Onion], after[c.Onion])
		}
	}
	if len(after) != perFriend+3 || after[address(4)] == 0 || after[kept.Onion] == 0 {
		t.Errorf("%d numbers are given; a new friend's is %d", len(after), after[address(4)])
	}
	taken := make(map[uint16]bool)
	for _, n := range after {
		if taken[n] || n < firstVirtual || n > lastVirtual {
			t.Errorf("%d is given twice, or is none", n)
		}
		taken[n] = true
	}
}

// numberInMemory is number without the disk.
func (v *virtuals) numberInMemory(want []claim) error {
	next, err := v.with(want)
	v.given, v.list = next, nil
	return err
}

// A file that one friend has filled, of a version that did not count, is mended:
// what friends claim now keeps its number.
func TestFullVirtualFile(t *testing.T) {
	v := virtuals{path: filepath.Join(t.TempDir(), "virtual.json")}
	full := make(map[onion.Address]uint16)
	for n := firstVirtual; n <= lastVirtual; n++ {
		full[address(n)] = uint16(n)
	}
	raw, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	bob, photos, carol := claim{address(300), address(300)}, claim{address(301), address(300)}, claim{address(1), address(1)}
	numbers := v.must(t, bob, photos, carol)
	if numbers[bob.Onion] != 300 || numbers[photos.Onion] != 301 || numbers[carol.Onion] == 0 || len(numbers) > perFriend+3 {
		t.Errorf("bob has %d and %d, carol %d, of %d", numbers[bob.Onion], numbers[photos.Onion], numbers[carol.Onion], len(numbers))
	}
	again := virtuals{path: v.path}
	for a, n := range again.must(t, bob, photos, carol) {
		if numbers[a] != n {
			t.Errorf("after a restart %s has %d, not %d", a, n, numbers[a])
		}
	}
}

// What would make tor refuse the addresses of all is left out of the file.
func TestVirtualFileWithMistakes(t *testing.T) {
	v := virtuals{path: filepath.Join(t.TempDir(), "virtual.json")}
	text := fmt.Sprintf(`[{"onion":%q,"number":300},{"onion":%q,"number":300},{"onion":%q,"number":1},{"onion":%q,"number":301}]`,
		address(1), address(2), address(3), address(1))
	if err := os.WriteFile(v.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	numbers := v.must(t, claim{address(1), address(1)}, claim{address(2), address(2)}, claim{address(3), address(3)})
	if numbers[address(1)] != 300 || numbers[address(2)] == 300 || numbers[address(3)] < firstVirtual {
		t.Errorf("numbers: %v", numbers)
	}
}

// When all numbers are claimed only those go without who come last.
func TestNoVirtualAddressLeft(t *testing.T) {
	v := virtuals{path: filepath.Join(t.TempDir(), "virtual.json")}
	var want []claim
	for n := firstVirtual; n <= lastVirtual+1; n++ {
		want = append(want, claim{address(n), address(n)})
	}
	if err := v.number(want); err == nil {
		t.Error("there is a number for everybody")
	}
	if n := len(v.numbers()); n != lastVirtual-firstVirtual+1 {
		t.Errorf("%d have a number", n)
	}
	want = append(want[1:len(want)-1], claim{address(1), address(1)})
	if numbers := v.must(t, want...); numbers[address(1)] != firstVirtual {
		t.Errorf("what nobody claims is not given: %d", numbers[address(1)])
	}
}
