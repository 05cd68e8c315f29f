package bench

import (
	"fmt"
	"slices"
)

// Bound is by how much something may be more at the end than it was before: by a part of
// what it was, and by an amount beside, for what is small or comes in lumps.
type Bound struct {
	Percent float64
	Beside  float64 // in the unit of what is measured
}

// Series is what was measured of one thing, again and again.
type Series struct {
	Name, Unit string
	Bound      Bound
	Points     []Point // Count is when, from 0 to the end, in any unit
}

// Verdict is what Judge has found: two medians, what the second of them may be at most, and
// whether it is no more than that.
type Verdict struct {
	Before, After, Most float64
	Flat                bool
}

// fewest is how many points a fifth has to have: a median of fewer says nothing.
const fewest = 5

// Judge compares the median of the second fifth of the time with that of the last fifth. What
// is needed once, at the beginning, is in neither. A fifth with fewer than five points is
// an error: nothing was seen there.
func (s Series) Judge(end float64) (Verdict, error) {
	var medians []float64
	for _, fifth := range []float64{1, 4} {
		from, to := fifth*end/5, (fifth+1)*end/5
		var in []float64
		for _, p := range s.Points {
			if p.Count >= from && p.Count <= to {
				in = append(in, p.Value)
			}
		}
		if len(in) < fewest {
			return Verdict{}, fmt.Errorf("%s: only %d points from %.4g to %.4g, not %d", s.Name, len(in), from, to, fewest)
		}
		medians = append(medians, Median(in))
	}
	v := Verdict{Before: medians[0], After: medians[1]}
	v.Most = v.Before*(1+s.Bound.Percent/100) + s.Bound.Beside
	v.Flat = v.After <= v.Most
	return v, nil
}

// Least is the least that was measured; there has to be something.
func (s Series) Least() float64 { return slices.Min(s.values()) }

// Peak is the most that was measured; there has to be something.
func (s Series) Peak() float64 { return slices.Max(s.values()) }

func (s Series) values() (v []float64) {
	for _, p := range s.Points {
		v = append(v, p.Value)
	}
	return v
}
