package link

import "time"

// Block are the lists of names that do not exist for devices.
type Block struct {
	Dir    string // of the copies
	Lists  []BlockList
	Except []string `json:",omitempty"` // hardware addresses of devices for which all names exist
}

// BlockList is one list.
type BlockList struct {
	Source  string // an absolute path or a URL
	Version string `json:",omitempty"` // of a file: another when it has changed
}

// BlockStatus is how one list is.
type BlockStatus struct {
	Source                     string
	Names, Exceptions, Ignored int       // of the copy that is in force
	From                       time.Time // when it was made; zero: there is none
	Error                      string    // why there is no newer one, in words
}
