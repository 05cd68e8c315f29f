package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// Errors of an Exchange. A client learns no more from ErrLogin than that it
// did not work.
var (
	ErrLogin  = errors.New("the name or the password is wrong")
	ErrScram  = errors.New("the login does not follow RFC 5802")
	errBound  = fmt.Errorf("%w: channel binding is not offered", ErrScram)
	errActing = fmt.Errorf("%w: nobody may log in to act for another user", ErrScram)
)

// Exchange is the server's side of one login by SCRAM-SHA-256 without channel
// binding (RFC 5802, section 5). Its Next is that of a SASL server as
// github.com/emersion/go-sasl has it.
type Exchange struct {
	book  *Book
	nonce string // the server's part
	step  int

	login  string // as the client wrote it
	record Record
	known  bool
	gs2    string // the client's gs2-header
	bare   string // client-first-message-bare
	first  string // server-first-message
}

// failed is a step after which nothing is taken: there is no second try.
const failed = 3

// Next takes what the client sent and returns what to answer. The login has
// succeeded when done is true and err is nil.
func (e *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if e.step == 0 && len(response) == 0 {
		return []byte{}, false, nil // the client lets the server begin
	}
	e.step = min(e.step+1, failed+1)
	switch e.step {
	case 1:
		challenge, err = e.begin(string(response))
	case 2:
		challenge, err = e.finish(string(response))
	case 3:
		done = len(response) == 0
		if !done {
			err = ErrScram
		}
	default:
		err = ErrScram
	}
	if err != nil {
		e.step = failed
		return nil, false, err
	}
	return challenge, done, nil
}

// Name is the user who logged in, when Next has said that it is done.
func (e *Exchange) Name() string { return LoginName(e.login) }

// begin answers the client-first-message.
func (e *Exchange) begin(message string) ([]byte, error) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) != 3 {
		return nil, ErrScram
	}
	switch parts[0] {
	case "n", "y":
	default:
		if strings.HasPrefix(parts[0], "p=") {
			return nil, errBound
		}
		return nil, ErrScram
	}
	e.gs2, e.bare = parts[0]+","+parts[1]+",", parts[2]
	fields := strings.Split(e.bare, ",")
	if len(fields) < 2 {
		return nil, ErrScram
	}
	name, ok1 := strings.CutPrefix(fields[0], "n=")
	nonce, ok2 := strings.CutPrefix(fields[1], "r=")
	login, ok3 := unescapeName(name)
	if !ok1 || !ok2 || !ok3 || !printable(nonce) || len(nonce) > 256 {
		return nil, ErrScram
	}
	if other, asked := strings.CutPrefix(parts[1], "a="); parts[1] != "" && (!asked || LoginName(other) != LoginName(login)) {
		return nil, errActing
	}
	e.login = login
	e.record, e.known = e.book.lookup(login)
	e.first = fmt.Sprintf("r=%s%s,s=%s,i=%d", nonce, e.nonce, b64.EncodeToString([]byte(e.record.Salt)), e.record.Iterations)
	return []byte(e.first), nil
}

// unescapeName reads a saslname; an "=" that begins no escape is an error.
func unescapeName(s string) (string, bool) {
	name := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	return name, name != "" && strings.Count(s, "=") == strings.Count(s, "=2C")+strings.Count(s, "=3D")
}

// finish checks the client-final-message.
func (e *Exchange) finish(message string) ([]byte, error) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return nil, ErrScram
	}
	bare := message[:at]
	proof, err := b64.DecodeString(message[at+len(",p="):])
	fields := strings.Split(bare, ",")
	if err != nil || len(proof) != sha256.Size || len(fields) < 2 {
		return nil, ErrScram
	}
	_, rest, _ := strings.Cut(e.first, "r=")
	nonce, _, _ := strings.Cut(rest, ",")
	if fields[0] != "c="+b64.EncodeToString([]byte(e.gs2)) || fields[1] != "r="+nonce {
		return nil, ErrScram
	}
	text := e.bare + "," + e.first + "," + bare
	signature := mac(e.record.StoredKey[:], text)
	clientKey := make([]byte, sha256.Size)
	subtle.XORBytes(clientKey, proof, signature)
	stored := sha256.Sum256(clientKey)
	if !hmac.Equal(stored[:], e.record.StoredKey[:]) || !e.known {
		return nil, ErrLogin
	}
	return append([]byte("v="), b64.AppendEncode(nil, mac(e.record.ServerKey[:], text))...), nil
}
