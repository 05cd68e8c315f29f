package api

// Visit is what a visitor needs to know of an onion: `tunic address --json`.
type Visit struct {
	Name       string        `json:"name"`
	Address    string        `json:"address"`   // "KEY.onion"
	Published  bool          `json:"published"` // by the configuration; whether it can be found, the status says
	Anonymous  bool          `json:"anonymous"`
	Private    bool          `json:"private"`
	Ports      []VisitPort   `json:"ports"`
	Clients    []OnionClient `json:"clients,omitempty"`     // of a private one
	ClientLine string        `json:"client_line,omitempty"` // for a file in the ClientOnionAuthDir of a client's tor, with PRIVATE-KEY where hers belongs
	Old        []OldAddress  `json:"old,omitempty"`
}

// VisitPort is one port.
type VisitPort struct {
	Port  uint16 `json:"port"`
	Visit string `json:"visit"` // what to open or type
}
