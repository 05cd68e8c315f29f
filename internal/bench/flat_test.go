package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// over makes a series of 240 points, as twenty minutes have, from what it is at each minute.
func over(at func(minute float64) float64) Series {
	s := Series{Name: "x", Unit: "MB", Bound: Bound{Percent: 10, Beside: 2}}
	for i := range 240 {
		minute := float64(i) / 12
		s.Points = append(s.Points, Point{minute, at(minute)})
	}
	return s
}

// What grows is found, be it slowly, in steps or under noise; what only swings, falls, or
// has grown before the second fifth is flat.
func TestJudge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func() float64 { return 0.7 + 0.6*random.Float64() }
	for name, c := range map[string]struct {
		at   func(minute float64) float64
		flat bool
	}{
		"level":                  {func(float64) float64 { return 20 }, true},
		"noise":                  {func(float64) float64 { return 20 * noise() }, true},
		"nothing":                {func(float64) float64 { return 0 }, true},
		"saw, every 3 minutes":   {func(m float64) float64 { return 20 + 5*math.Mod(m, 3) }, true},
		"it falls":               {func(m float64) float64 { return 40 - m }, true},
		"warming up":             {func(m float64) float64 { return 20 + 10*min(m, 4) }, true},
		"one peak at the end":    {func(m float64) float64 { return 20 + 1000*max(0, m-19.5) }, true},
		"slow":                   {func(m float64) float64 { return 20 + 0.4*m }, false},
		"slow, under noise":      {func(m float64) float64 { return (20 + m) * noise() }, false},
		"a step":                 {func(m float64) float64 { return 20 + 5*math.Floor(m/10) }, false},
		"from nothing":           {func(m float64) float64 { return m }, false},
		"saw that climbs slowly": {func(m float64) float64 { return 20 + 5*math.Mod(m, 3) + 0.5*m }, false},
	} {
		got, err := over(c.at).Judge(20)
		if err != nil || got.Flat != c.flat {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// The bound: a tenth and 2 more than 20 is 24, which is still flat.
func TestJudgeBound(t *testing.T) {
	for end, flat := range map[float64]bool{24: true, 24.1: false} {
		got, err := over(func(m float64) float64 {
			if m < 10 {
				return 20
			}
			return end
		}).Judge(20)
		if want := (Verdict{Before: 20, After: end, Most: 24, Flat: flat}); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

// What was not measured is not flat.
func TestJudgeNothing(t *testing.T) {
	s := over(func(float64) float64 { return 20 })
	s.Points = s.Points[:200] // until 16 minutes and 35 seconds, with 7 points in the last fifth
	if _, err := s.Judge(20); err != nil {
		t.Error(err)
	}
	s.Points = s.Points[:195]
	if got, err := s.Judge(20); err == nil {
		t.Errorf("%+v of nearly no points", got)
	}
	if got, err := (Series{}).Judge(20); err == nil {
		t.Errorf("%+v of nothing", got)
	}
}
