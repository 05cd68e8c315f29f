package tor

import (
	"fmt"

	"tunic/gateway/onion"
)

// balanceFile, in the key directory of an onion, names the address for which
// Onionbalance publishes it. tor reads it when it loads its configuration
// (src/feature/hs/hs_ob.c), and without it does not start such an onion.
const balanceFile = "ob_config"

// checkBalance refuses an address that is none, and clients: what Onionbalance
// publishes can be read by everybody, and leads to nobody here then.
func (o Onion) checkBalance() error {
	if o.Balance == "" {
		return nil
	}
	if parsed, err := onion.Parse(string(o.Balance)); err != nil || parsed != o.Balance {
		return fmt.Errorf("checking onion %q: the address that it is balanced for is none", o.Name)
	}
	if o.Clients != nil {
		return fmt.Errorf("checking onion %q: it has clients, and Onionbalance publishes for everybody", o.Name)
	}
	return nil
}

// balanceLines have tor take visitors who come by the other address.
func (o Onion) balanceLines() []string {
	if o.Balance == "" {
		return nil
	}
	return []string{"HiddenServiceOnionBalanceInstance 1"}
}

// balanceFiles are those of the onion's key directory, by name: none without
// the option, and then an old one goes.
func (o Onion) balanceFiles() map[string]string {
	if o.Balance == "" {
		return nil
	}
	return map[string]string{balanceFile: "MasterOnionAddress " + o.Balance.Host() + "\n"}
}
