package api

// Visit is what a visitor needs to know of an onion: `tunic address --json`.
type Visit struct {
	Name       string        `json:"name"`
	Address    string        `json:"address"`       // "KEY.onion"
	I2P        string        `json:"i2p,omitempty"` // "LETTERS.b32.i2p": where it is by I2P too
	Published  bool          `json:"published"`     // by the configuration; whether it can be found, the status says
	Anonymous  bool          `json:"anonymous"`
	Private    bool          `json:"private"`
	Ports      []VisitPort   `json:"ports"`
	Clients    []OnionClient `json:"clients,omitempty"`     // of a private one
	ClientLine string        `json:"client_line,omitempty"` // for a client's ClientOnionAuthDir, with PRIVATE-KEY where the own one belongs
	Old        []OldAddress  `json:"old,omitempty"`
}

// VisitPort is one port.
type VisitPort struct {
	Port  uint16 `json:"port"`
	Visit string `json:"visit"` // what to open or type
}
