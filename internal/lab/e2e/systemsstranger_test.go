//go:build lab

package e2e

import "time"

// outsiders are those whom nothing was given.
func outsiders() []system {
	return []system{{"a stranger", []string{"tor"}, nil, tryStranger}}
}

// tryStranger: a tor elsewhere knows the addresses of the onions that all of this went by.
func tryStranger(t *trial) {
	key := t.newClient("svc", "carol").SecretKey
	t.Cleanup(func() { t.must("gateway", "tunic", "revoke", "svc", "carol") })
	address := t.key("svc") + ".onion"
	all := t.visitors(map[string]map[string]string{"carol": {address: key}, "stranger": nil})
	t.does("a tor somewhere in the internet, with a key by `tunic grant --new`: a page of the onion", func() {
		all["carol"].untilReads(address, time.Minute)
	})
	t.refuses("one without a key, which knows the address", func() { all["stranger"].cannotDecrypt(address) })
	t.refuses("the same at the onion by which the two boxes are friends", func() {
		all["stranger"].cannotDecrypt(t.key("home") + ".onion")
	})
}
