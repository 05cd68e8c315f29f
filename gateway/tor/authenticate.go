package tor

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"tunic/gateway/untrusted"
)

// cookieSize is that of tor's cookie and of the nonces, in bytes (control-spec, "SAFECOOKIE
// authentication").
const cookieSize = 32

// Keys of that authentication.
const (
	serverToController = "Tor safe cookie authentication server-to-controller hash"
	controllerToServer = "Tor safe cookie authentication controller-to-server hash"
)

// authenticate proves that we can read tor's cookie, without sending it. The file is where
// tor was told to have it, not where it says that it has: one that was taken over could have
// root read anything.
func (c *controller) authenticate(cookie string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.raw.SetDeadline(time.Now().Add(c.wait))
	if err == nil {
		err = c.logIn(cookie)
	}
	if err != nil {
		return fmt.Errorf("authenticating to tor: %w", err)
	}
	return c.raw.SetDeadline(time.Time{})
}

func (c *controller) logIn(cookie string) error {
	info, err := c.conn.ProtocolInfo()
	if err != nil {
		return err
	}
	command := "AUTHENTICATE"
	if !info.HasAuthMethod("NULL") {
		proof, err := c.prove(cookie)
		if err != nil {
			return err
		}
		command += " " + hex.EncodeToString(proof)
	}
	_, err = c.conn.SendRequest("%s", command)
	return err
}

// prove has tor prove that it knows the cookie, and returns the proof that we do.
func (c *controller) prove(file string) ([]byte, error) {
	cookie, err := untrusted.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(cookie) != cookieSize {
		return nil, fmt.Errorf("its cookie %s has %d bytes, not %d", file, len(cookie), cookieSize)
	}
	var ours [cookieSize]byte
	rand.Read(ours[:]) // never fails
	resp, err := c.conn.SendRequest("AUTHCHALLENGE SAFECOOKIE %s", hex.EncodeToString(ours[:]))
	if err != nil {
		return nil, err
	}
	hash, nonce, _ := strings.Cut(strings.TrimPrefix(resp.Reply, "AUTHCHALLENGE SERVERHASH="), " SERVERNONCE=")
	theirs, err := hex.DecodeString(nonce)
	said, err2 := hex.DecodeString(hash)
	if errors.Join(err, err2) != nil || len(theirs) != cookieSize {
		return nil, errors.New("it did not answer a challenge")
	}
	proof := func(key string) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write(cookie)
		m.Write(ours[:])
		m.Write(theirs)
		return m.Sum(nil)
	}
	if !hmac.Equal(said, proof(serverToController)) {
		return nil, errors.New("it does not know the cookie")
	}
	return proof(controllerToServer), nil
}
