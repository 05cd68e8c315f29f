package bench

import (
	"fmt"
	"slices"
)

// Loss is how much of a ratio may be gone before it is said: what is measured in turns
// differs less than that from run to run.
const Loss = 0.2

// Losses compares ratios with those that were kept, and says in words which are worse by
// more than Loss, and which were not measured. Rows without one that was kept are new, and
// are not looked at.
func Losses(now, kept []Row) (worse, missing []string) {
	for _, old := range kept {
		at := slices.IndexFunc(now, func(r Row) bool { return r.Name == old.Name })
		if at < 0 {
			missing = append(missing, old.Name)
			continue
		}
		if r := now[at]; r.Ratio < old.Ratio*(1-Loss) {
			worse = append(worse, fmt.Sprintf("%s: %.2f of %s, and was %.2f", r.Name, r.Ratio, r.PeerName, old.Ratio))
		}
	}
	return worse, missing
}
