package config

import (
	"strings"
	"testing"
)

// A byte order mark changes nothing, and UTF-16 is called by its name.
func TestByteOrderMark(t *testing.T) {
	const text = "[household]\ninterfaces = [\"br-lan\"]\ndefault-policy = \"tor\"\n"
	if c, err := Load(newBox(t, map[string]string{"tunic.toml": "\ufeff" + text})); err != nil {
		t.Error(err)
	} else if c.Household.DefaultPolicy != PolicyTor {
		t.Errorf("%+v", c.Household)
	}
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		_, err := Load(newBox(t, map[string]string{"tunic.toml": mark + "[\x00"}))
		if err == nil || !strings.Contains(err.Error(), "UTF-16") || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("%q: %v", mark, err)
		}
	}
}
