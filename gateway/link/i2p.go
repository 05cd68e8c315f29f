package link

// I2P is the household's way to names of I2P: devices come with an address of DNS.I2P.
type I2P struct {
	Listeners []string
}
