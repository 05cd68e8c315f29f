package tor

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"slices"
)

// newVisits hands tor once more the keys that spec has and old had not. It has
// read them from their files, but what it has fetched before of such an onion
// stays locked to it, for up to a quarter of an hour, unless it is told (tor's
// src/feature/hs/hs_cache.c, hs_cache_client_new_auth_parse).
func (t *Tor) newVisits(s *session, old, spec Spec) {
	for _, a := range spec.Auth {
		if slices.Contains(old.Auth, a) {
			continue
		}
		if _, err := s.commands.command(a.command()); err != nil {
			t.log.Warn("a private onion of somebody else may be found only later", "error", err)
		}
	}
}

// endVisits has tor drop the keys for onions that old has and spec has not
// (control-spec, "ONION_CLIENT_AUTH_REMOVE"). tor 0.4.9.11 has dropped them
// already, as it reads all keys again at LOADCONF, and answers 251; no
// specification says that it does.
func (t *Tor) endVisits(s *session, old, spec Spec) {
	for _, a := range old.Auth {
		if slices.ContainsFunc(spec.Auth, func(b Auth) bool { return b.Onion == a.Onion }) {
			continue
		}
		if _, err := s.commands.command("ONION_CLIENT_AUTH_REMOVE " + string(a.Onion)); err != nil {
			t.log.Warn("tor knows the key of a private onion of somebody else until it ends", "error", err)
		}
	}
}

// command is control-spec's ONION_CLIENT_AUTH_ADD. It holds the key, and says that it is
// permanent, as the file is: SIGNAL NEWNYM has tor drop all others, and the onion would be
// found no more (tor's src/feature/hs/hs_client.c, purge_ephemeral_client_auth).
func (a Auth) command() string {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(a.Key))
	if err != nil {
		return "" // Check has seen that it is one
	}
	return fmt.Sprintf("ONION_CLIENT_AUTH_ADD %s x25519:%s Flags=Permanent", a.Onion, base64.StdEncoding.EncodeToString(raw))
}
