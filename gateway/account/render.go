package account

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Prosody is the text of the user's account file for storage "internal" and
// authentication "internal_hashed" with password_hash "SHA-256" (Prosody 0.12).
// Prosody reads it at each login.
func (u User) Prosody() string {
	return fmt.Sprintf(`return {
	["iteration_count"] = %d;
	["salt"] = "%s";
	["server_key"] = "%s";
	["stored_key"] = "%s";
};
`, u.Record.Iterations, luaString.Replace(u.Record.Salt), hex.EncodeToString(u.Record.ServerKey[:]),
		hex.EncodeToString(u.Record.StoredKey[:]))
}

// luaString escapes printable text for a Lua string.
var luaString = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Dovecot is the text of a passwd-file (Dovecot 2.3) for the users who have
// mail. Dovecot reads it again when it has changed.
func Dovecot(users []User) string {
	var b strings.Builder
	for _, u := range users {
		if u.HasMail() {
			fmt.Fprintf(&b, "%s:{SCRAM-SHA-256}%d,%s,%s,%s::::::\n", u.Name, u.Record.Iterations,
				b64.EncodeToString([]byte(u.Record.Salt)), b64.EncodeToString(u.Record.StoredKey[:]),
				b64.EncodeToString(u.Record.ServerKey[:]))
		}
	}
	return b.String()
}
