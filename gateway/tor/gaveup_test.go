package tor

import "testing"

// What tor 0.4.9.15 said after its box had no way out for some seconds.
func TestGaveUp(t *testing.T) {
	down := []string{"$0756B4409522105CCDC6999AF4619C6508BEDC1C~auth2 down 2026-11-29 10:34:44",
		"$61036F45CB304DF1B6897D3690B18CCB36C4A1BA~exit3 up"}
	up := []string{"$61036F45CB304DF1B6897D3690B18CCB36C4A1BA~exit3 up", "$CBCBFE61EFE31BEDD83843305D89F0594B06B6A8~down up"}
	for i, c := range []struct {
		guards, streams []string
		want            bool
	}{
		{down, nil, true},
		{down, []string{"7 SENTCONNECT 3 198.51.100.1:80"}, true},
		{down, []string{"7 SENTCONNECT 3 198.51.100.1:80", "8 SUCCEEDED 3 198.51.100.1:22"}, false},
		{up, nil, false},
		{nil, nil, false},
	} {
		if got := gaveUp(c.guards, c.streams); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}
