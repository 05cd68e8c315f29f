package api

import "time"

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
	Onions   []Onion  `json:"onions"` // but for those of phones
	Phones   []Phone  `json:"phones"`
	Profiles []string `json:"profiles"`
}

// Live is what changes by the second.
type Live struct {
	Tor   Tor    `json:"tor"`
	Rates []Rate `json:"rates"` // the oldest first
}

// Rate is how fast it went between the box and the Tor network, up to a moment.
type Rate struct {
	At   time.Time `json:"at"`
	Down float64   `json:"down"` // bytes a second
	Up   float64   `json:"up"`
}

// Post is the mail on its way, and how the servers for mail and chat are.
type Post struct {
	HasMail  bool      `json:"has_mail"`      // the box has mail
	Why      string    `json:"why,omitempty"` // the queue cannot be looked at now
	Letters  []Letter  `json:"letters"`
	Servers  []Server  `json:"servers"`
	Services []Service `json:"services"` // that devices of the house have reached
}
