package config

import "testing"

func TestDidYouMean(t *testing.T) {
	known := []string{"interfaces", "default-policy", "port", "mac"}
	tests := []struct{ word, want string }{
		{"interface", `did you mean "interfaces"?`},
		{"Interfaces", `did you mean "interfaces"?`},
		{"itnerfaces", `did you mean "interfaces"?`},
		{"default_policy", `did you mean "default-policy"?`},
		{"prot", `did you mean "port"?`},
		{"ports", `did you mean "port"?`},
		{"mca", `did you mean "mac"?`},
		{"ma", `did you mean "mac"?`},
		{"MAC", `did you mean "mac"?`},
		{"foc", ""},
		{"xy", ""},
		{"", ""},
		{"bridges", ""},
	}
	for _, tt := range tests {
		if got := didYouMean(tt.word, known); got != tt.want {
			t.Errorf("didYouMean(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := didYouMean("x", nil); got != "" {
		t.Errorf("didYouMean without known words = %q", got)
	}
}
