package fair

import "testing"

// takers is a Share under test that remembers whom it cut.
type takers struct {
	*Share[uint32]
	cut []uint32
}

func (v *takers) enter(who uint32, n int) (in int, leave []func()) {
	for range n {
		if l, ok := v.Enter(who, func() { v.cut = append(v.cut, who) }); ok {
			in, leave = in+1, append(leave, l)
		}
	}
	return in, leave
}

func TestShare(t *testing.T) {
	v := &takers{Share: New[uint32](4, 10)}
	if in, _ := v.enter(1, 10_000); in != 4 {
		t.Errorf("one has %d places", in)
	}
	in, leave := v.enter(2, 9)
	if in != 4 || len(v.cut) != 0 {
		t.Errorf("another has %d, cut %v", in, v.cut)
	}
	// 1 and 2 have 4 each. A third takes what is free, then what others have
	// more than it.
	if in, _ := v.enter(3, 4); in != 3 || len(v.cut) != 1 || v.Open() != 10 {
		t.Errorf("a third has %d, cut %v, open %d", in, v.cut, v.Open())
	}
	for id := uint32(4); id <= 10; id++ {
		if in, _ := v.enter(id, 1); in != 1 || v.Open() != 10 {
			t.Errorf("holder %d has %d, open %d", id, in, v.Open())
		}
	}
	if in, _ := v.enter(11, 1); in != 0 {
		t.Error("there was room for an eleventh where each has one")
	}
	for _, l := range leave { // of places most of which are cut
		l()
	}
	if v.Open() != 9 {
		t.Errorf("open %d", v.Open())
	}
}

// TestLastingOfTheGreediest: of those who came late, whoever has most gives way.
func TestLastingOfTheGreediest(t *testing.T) {
	v := &takers{Share: Lasting[uint32](4, 8)}
	for who := range uint32(4) {
		v.enter(1+who, 1)
	}
	if in, _ := v.enter(99, 100); in != 4 {
		t.Errorf("one has %d places", in)
	}
	for who := range uint32(3) {
		if in, _ := v.enter(11+who, 1); in != 1 {
			t.Errorf("%d does not get in", 11+who)
		}
	}
	if len(v.cut) != 3 || v.cut[0] != 99 || v.cut[1] != 99 || v.cut[2] != 99 {
		t.Errorf("%v gave way, and 99 had most", v.cut)
	}
}

// TestKeptPlaces: a place that cannot be taken away stays, whoever comes.
func TestKeptPlaces(t *testing.T) {
	s := New[string](3, 3)
	var leave []func()
	for range 2 {
		l, ok := s.Enter("kept", nil)
		if !ok {
			t.Fatal("no room in an empty share")
		}
		leave = append(leave, l)
	}
	cut := 0
	if _, ok := s.Enter("kept", func() { cut++ }); !ok {
		t.Fatal("no third place")
	}
	if _, ok := s.Enter("late", nil); !ok || cut != 1 {
		t.Errorf("the one place that can be cut: got it %v, cut %d", ok, cut)
	}
	if _, ok := s.Enter("later", nil); ok {
		t.Error("a place that is kept was given away")
	}
	leave[0]()
	leave[0]()
	if s.Open() != 2 {
		t.Errorf("open %d", s.Open())
	}
}

// TestLasting: who comes under many names does not end what others have held
// before, nor keep others out who come during it.
func TestLasting(t *testing.T) {
	const total = 40
	v := &takers{Share: Lasting[uint32](4, total)}
	for who := range uint32(10) {
		v.enter(1+who, 1)
	}
	crowd := uint32(1000)
	come := func(n int) {
		for range n {
			if in, _ := v.enter(crowd, 1); in != 1 {
				t.Fatal("there is no room for one of the crowd")
			}
			crowd++
		}
	}
	come(10 * total)
	for who := range uint32(10) {
		if in, _ := v.enter(101+who, 1); in != 1 {
			t.Errorf("%d does not get in", 101+who)
		}
	}
	come(total/2 - 10)
	for _, who := range v.cut {
		if who < 1000 {
			t.Errorf("%d was cut", who)
		}
	}
	if in, _ := v.enter(999, 100); in != 1 || v.Open() != total {
		t.Errorf("one has %d of %d places, where nobody has more than one", in, v.Open())
	}
}
