package config

import _ "embed"

//go:embed example.toml
var example string

// Example is the tunic.toml that an installation puts in place: every key with
// its default, explained, and only what is required in force.
func Example() string { return example }
