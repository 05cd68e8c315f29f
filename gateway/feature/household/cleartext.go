package household

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tunic/gateway/health"
)

// cleartextKept is how long a dial of such a port is told.
const cleartextKept = 24 * time.Hour

// cleartextFindings tells which ports that carry passwords in clear were
// dialled through Tor.
func cleartextFindings(seen map[uint16]time.Time, now time.Time) []health.Finding {
	var ports []string
	for _, port := range slices.Sorted(maps.Keys(seen)) {
		if now.Sub(seen[port]) < cleartextKept {
			ports = append(ports, fmt.Sprint(port))
		}
	}
	if len(ports) == 0 {
		return nil
	}
	return []health.Finding{health.New(health.CleartextPort, "",
		"somebody in the household uses services that send passwords in clear, which the exit can read: port "+strings.Join(ports, ", "))}
}
