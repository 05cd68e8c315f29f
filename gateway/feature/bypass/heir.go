package bypass

import (
	"encoding/json"
	"fmt"
	"time"

	"tunic/gateway/feature"
)

var _ feature.Heir = (*Feature)(nil)

// bequest is one address that a device may reach for a while.
type bequest struct {
	What  granted
	Until time.Time
}

// Bequeath implements feature.Heir: without them connections would be cut.
func (f *Feature) Bequeath() (json.RawMessage, error) {
	f.grants.mu.Lock()
	defer f.grants.mu.Unlock()
	var list []bequest
	for what, state := range f.grants.list {
		list = append(list, bequest{what, state.until})
	}
	return json.Marshal(list)
}

// Inherit implements feature.Heir.
func (f *Feature) Inherit(raw json.RawMessage) error {
	var list []bequest
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("taking over what devices may reach outside Tor: %w", err)
	}
	f.grants.mu.Lock()
	defer f.grants.mu.Unlock()
	f.grants.list = make(map[granted]*term)
	for _, one := range list[:min(len(list), maxGrants)] {
		f.grants.list[one.What] = &term{until: one.Until}
	}
	return nil
}
