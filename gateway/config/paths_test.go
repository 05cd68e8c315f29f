package config

import "testing"

func TestNameInHouse(t *testing.T) {
	for onion, want := range map[string]string{"photos": "photos.box.home.arpa", HomeOnion: "", "setup": ""} {
		if got := NameInHouse(onion); got != want {
			t.Errorf("%s is called %q, want %q", onion, got, want)
		}
	}
}
