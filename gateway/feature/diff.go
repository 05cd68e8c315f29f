package feature

import (
	"reflect"
	"slices"

	"tunic/gateway/tor"
	"tunic/rules"
)

// Diff lists all that changes from one state to another, one thing a line, and no
// secret: "+" comes, "-" goes, "~" is there but other than it was, "!" is what
// follows. It fails if one of them has rules that cannot be.
func Diff(now, next Desired) ([]string, error) {
	before, err := compile(now.Rules)
	if err != nil {
		return nil, err
	}
	after, err := compile(next.Rules)
	if err != nil {
		return nil, err
	}
	list := append(restarts("tor", now.Tor, next.Tor), restarts("the second tor", now.Fast, next.Fast)...)
	tors := now.torParts()
	if reflect.ValueOf(now.Tor).IsZero() { // no daemon runs: nothing of its tor can go
		tors[0].lines = nil
	}
	list = append(list, diffParts(tors, next.torParts())...)
	for _, c := range rules.Diff(before, after) {
		list = append(list, c.String())
	}
	return append(list, diffParts(now.otherParts(), next.otherParts())...), nil
}

// restarts says why a tor that runs must be started again.
func restarts(name string, before, after tor.Spec) (list []string) {
	if !runs(before) || !runs(after) {
		return nil
	}
	for _, reason := range tor.RestartReasons(before, after) {
		list = append(list, "! "+name+" is restarted: "+reason)
	}
	return list
}

// runs reports whether there is such a tor: the one for onions alone needs some.
func runs(s tor.Spec) bool { return s.Binary != "" && (!s.SingleHop || len(s.Onions) > 0) }

// diffParts compares the parts of the same name. Of one that comes or goes as a
// whole there is one line.
func diffParts(now, next []part) (list []string) {
	for _, p := range now {
		if !slices.ContainsFunc(next, p.same) {
			list = append(list, "- "+p.name)
		}
	}
	for _, p := range next {
		i := slices.IndexFunc(now, p.same)
		if i < 0 {
			list = append(list, "+ "+p.name)
			continue
		}
		list = append(list, diffLines(p.name, now[i].lines, p.lines)...)
	}
	return list
}

func (p part) same(other part) bool { return p.name == other.name }

// diffLines lists the lines that only one of two versions of a part has. Two that
// are shown alike, such as those of a password, are one that is another now.
func diffLines(name string, had, has []line) (list []string) {
	gone, come := without(had, has), without(has, had)
	for _, l := range gone {
		sign := "- "
		if slices.ContainsFunc(come, l.looksLike) {
			sign = "~ "
		}
		list = append(list, sign+l.shown)
	}
	for _, l := range come {
		if !slices.ContainsFunc(gone, l.looksLike) {
			list = append(list, "+ "+l.shown)
		}
	}
	if len(list) == 0 && !slices.Equal(had, has) {
		return []string{"~ " + name + ": the same lines, in another order"}
	}
	return list
}

func (l line) looksLike(other line) bool { return l.shown == other.shown }

// without are the lines that are not among others.
func without(lines, others []line) []line {
	among := make(map[string]bool, len(others))
	for _, l := range others {
		among[l.whole] = true
	}
	return slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return among[l.whole] })
}
