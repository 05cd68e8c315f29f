package tor

import "testing"

// TestNewVisits: a key that comes is told to tor at once, one that stays is not,
// and one that goes is taken from it.
func TestNewVisits(t *testing.T) {
	restarts := 0
	spec := keySpec(t)
	auth := spec.Auth
	spec.Auth = nil
	const key = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=" // that of aliceSecret, RFC 7748
	tor := attached(t, &restarts, spec, exchange{"+LOADCONF", "250 OK"},
		exchange{"ONION_CLIENT_AUTH_ADD " + string(friendAddress) + " x25519:" + key + " Flags=Permanent",
			"252 Registered client and decrypted desc"},
		exchange{"+LOADCONF", "250 OK"},
		exchange{"+LOADCONF", "250 OK"},
		exchange{"ONION_CLIENT_AUTH_REMOVE " + string(friendAddress), "250 OK"})
	next := spec.Clone()
	next.Auth = auth
	if err := tor.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	next = next.Clone()
	next.Onions[0].Ports = append(next.Onions[0].Ports, 81)
	if err := tor.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	next = next.Clone()
	next.Auth = nil
	if err := tor.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
}
