package feature

import (
	"reflect"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/tor"
)

// Wish is what a feature wants: a function, and what the feature has found that the
// function is given. It is pure, and does not change what it was made of: the same scene
// wants the same, for a pass, for a plan and for the closed rules. In lockdown it wants no
// door. The zero Wish wants nothing.
type Wish struct {
	function uintptr
	found    any
	add      func(Scene, *Desired)
}

// Want is the wish of a function and of what was found. The function is one of its package, with a name: two
// wishes are the same if function and found are, so whatever else the function knew, as a
// closure does, would be out of date one day (a test of internal/arch looks).
func Want[T any](function func(Scene, *Desired, T), found T) Wish {
	return Wish{reflect.ValueOf(function).Pointer(), found, func(s Scene, d *Desired) { function(s, d, found) }}
}

// Always is the wish of a function that needs the scene alone. It has a name, as that of Want.
func Always(function func(Scene, *Desired)) Wish {
	return Wish{reflect.ValueOf(function).Pointer(), nil, function}
}

// Add adds to d what is wanted in a scene, of which it sees what Seen says.
func (w Wish) Add(s Scene, d *Desired) {
	if w.add != nil {
		w.add(s.Seen(), d)
	}
}

// Same reports whether another wish wants the same in every scene.
func (w Wish) Same(x Wish) bool {
	return w.function == x.function && reflect.DeepEqual(w.found, x.found)
}

// Seen is the scene as wishes see it: without what differs in each pass, and changes nothing that
// is wanted. What is signed or told is the business of those who look.
func (s Scene) Seen() Scene {
	s.Certain, s.Served, s.Brief, s.Heard = time.Time{}, link.Status{}, false, nil
	s.TorNow = tor.Status{ClockSkew: s.TorNow.ClockSkew, Full: s.TorNow.Full, OverTor: s.TorNow.OverTor}
	return s
}
