package rules

// Change is one rule that one ruleset has and another has not.
type Change struct {
	Added  bool // false: removed
	Family Family
	Table  string
	Chain  string
	Rule   string
}

// String returns the change for people: "+ ip6 nat TUNIC-TRANS -p tcp -j REDIRECT --to-ports 9240".
func (c Change) String() string {
	sign := "-"
	if c.Added {
		sign = "+"
	}
	return sign + " " + c.Family.String() + " " + c.Table + " " + c.Chain + " " + c.Rule
}

// Diff returns what must be removed from and added to before to get after, in
// the order of the chains. A rule that only moves within its chain appears
// twice. Equal rulesets give none.
func Diff(before, after Ruleset) []Change {
	var changes []Change
	for _, t := range before.Tables {
		for _, c := range t.Chains {
			changes = append(changes, diffChain(t, c, after.rules(t, c.Name))...)
		}
	}
	for _, t := range after.Tables {
		for _, c := range t.Chains {
			if !before.has(t, c.Name) {
				changes = append(changes, diffChain(t, Chain{Name: c.Name}, c.Rules)...)
			}
		}
	}
	return changes
}

func (r Ruleset) has(t Table, chain string) bool {
	_, ok := r.chain(t, chain)
	return ok
}

func (r Ruleset) rules(t Table, chain string) []string {
	c, _ := r.chain(t, chain)
	return c.Rules
}

func (r Ruleset) chain(t Table, name string) (Chain, bool) {
	table, _ := r.Table(t.Family, t.Name)
	for _, c := range table.Chains {
		if c.Name == name {
			return c, true
		}
	}
	return Chain{}, false
}

// diffChain walks along the longest common subsequence of the rules.
func diffChain(t Table, before Chain, after []string) []Change {
	change := func(added bool, rule string) Change {
		return Change{Added: added, Family: t.Family, Table: t.Name, Chain: before.Name, Rule: rule}
	}
	common := commonLengths(before.Rules, after)
	var changes []Change
	i, j := 0, 0
	for i < len(before.Rules) || j < len(after) {
		switch {
		case i < len(before.Rules) && j < len(after) && before.Rules[i] == after[j]:
			i, j = i+1, j+1
		case j == len(after) || i < len(before.Rules) && common[i+1][j] >= common[i][j+1]:
			changes = append(changes, change(false, before.Rules[i]))
			i++
		default:
			changes = append(changes, change(true, after[j]))
			j++
		}
	}
	return changes
}

// commonLengths returns at [i][j] the length of the longest common subsequence of a[i:] and b[j:].
func commonLengths(a, b []string) [][]int {
	lengths := make([][]int, len(a)+1)
	for i := range lengths {
		lengths[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				lengths[i][j] = lengths[i+1][j+1] + 1
			} else {
				lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			}
		}
	}
	return lengths
}
