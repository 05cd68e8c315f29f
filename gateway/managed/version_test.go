package managed

import "testing"

// The version is found, whatever stands before it, and digits of a name are none.
func TestVersionIn(t *testing.T) {
	for text, want := range map[string]string{
		"i2pd version 2.45.1 (0.9.57)\nBoost version 1.74.0": "2.45.1", "2.3.19.1 (9b53102964)": "2.3.19.1",
		"ngIRCd 27-IDENT+IPv6": "27", "Prosody 0.12.3": "0.12.3", "fake v2.3.19": "2.3.19", "(v1)": "1", "p2p i2pd": "", "": "",
	} {
		if got := versionIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
