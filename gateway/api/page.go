package api

// Me is what users see of themselves on the box's page.
type Me struct {
	User
	HasMail bool `json:"has_mail"` // and the box has it
	HasChat bool `json:"has_chat"`
}

// Admin reports whether the user may change the box.
func (m Me) Admin() bool { return m.Role == "admin" }

// Published is what the box's page shows of onions, with the names of the profiles
// by which another can be published.
type Published struct {
	Onions   []Onion  `json:"onions"`
	Profiles []string `json:"profiles"`
}
