package pair

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// A message is its kind (1 byte), the length of its body (2, big endian) and
// the body. All bodies but those of greetings have one fixed length.
type kind byte

const (
	kindClaim     kind = 1  // claim, of the invited box
	kindOpened    kind = 2  // opened, of the inviting one
	kindProof     kind = 3  // proof
	kindVerdict   kind = 4  // verdict
	kindDone      kind = 5  // empty: the invited box knows that both agree
	kindWelcome   kind = 6  // empty: the inviting one has written it down
	kindHello     kind = 16 // hello, of the box that calls
	kindQuestion  kind = 17 // question
	kindGreeting  kind = 18 // signature, then a body of JSON
	kindReply     kind = 19 // a body of JSON
	kindRefused   kind = 64 // refused, instead of any answer
	version            = 1
	maxBody            = 16 << 10
	signatureSize      = 64
)

var errMessage = errors.New("the other box sent no message of this protocol")

// The bodies of fixed length, in the order of their bytes.
type (
	claim struct {
		Version byte
		Invite  peer.ID
		Onion   peer.Key
		Commit  peer.Key
	}
	opened struct{ Nonce, Client peer.Key }
	proof  struct {
		Nonce, Client peer.Key
		Signature     peer.Signature
	}
	verdict struct {
		Confirmed byte
		Signature peer.Signature
	}
	hello struct {
		Version byte
		Onion   peer.Key
		Nonce   peer.Key
	}
	question struct{ Nonce peer.Key }
	refused  struct{ Why peer.Refusal }
	empty    struct{}
)

// send writes a message of fixed length.
func send(w io.Writer, k kind, body any) error {
	raw, err := binary.Append(nil, binary.BigEndian, body)
	if err != nil {
		return err
	}
	return sendBytes(w, k, raw)
}

func sendBytes(w io.Writer, k kind, raw []byte) error {
	if len(raw) > maxBody {
		return fmt.Errorf("sending a message to another box: %d bytes are too many", len(raw))
	}
	head := []byte{byte(k), byte(len(raw) >> 8), byte(len(raw))}
	_, err := w.Write(append(head, raw...))
	return err
}

// receive reads a message of any kind.
func receive(r io.Reader) (kind, []byte, error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if n > maxBody {
		return 0, nil, errMessage
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return kind(head[0]), body, err
}

// expect reads one message of a kind. A refusal is returned as the error.
func expect(r io.Reader, want kind) ([]byte, error) {
	k, body, err := receive(r)
	if err != nil {
		return nil, err
	}
	if k == kindRefused {
		var no refused
		if err := parse(body, &no); err != nil {
			return nil, err
		}
		return nil, no.Why
	}
	if k != want {
		return nil, errMessage
	}
	return body, nil
}

// await is expect for a body of fixed length.
func await(r io.Reader, want kind, into any) error {
	body, err := expect(r, want)
	if err != nil {
		return err
	}
	return parse(body, into)
}

// parse reads a body of fixed length, all of it.
func parse(body []byte, into any) error {
	n, err := binary.Decode(body, binary.BigEndian, into)
	if err != nil || n != len(body) {
		return errMessage
	}
	return nil
}

// about is what a box says of itself in a greeting or a reply: JSON, so that a
// later version can say more. What a reader does not know it ignores.
type about struct {
	Endpoints  []string       `json:"endpoints,omitempty"`
	Offers     []offer        `json:"offers,omitempty"`
	Services   []service      `json:"services,omitempty"`
	Introduced []introduction `json:"introduced,omitempty"`
	Taken      []peer.ID      `json:"taken,omitempty"` // introductions of the other box
}

type offer struct {
	Name  string   `json:"name"`
	Onion peer.Key `json:"onion"`
}

type service struct {
	Name string `json:"name"`
	Port uint16 `json:"port,omitempty"`
}

type introduction struct {
	Token   peer.Token `json:"token"`
	Role    peer.Role  `json:"role"`
	Onion   peer.Key   `json:"onion"`
	Name    string     `json:"name"`
	Expires int64      `json:"expires"` // seconds since 1970
}

// parseAbout reads what another box says of itself. Parts of another shape are
// left out; too many make it none.
func parseAbout(body []byte) (about, error) {
	var a about
	if !utf8.Valid(body) || json.Unmarshal(body, &a) != nil {
		return about{}, errMessage
	}
	if len(a.Endpoints) > peer.MaxEndpoints || len(a.Offers) > peer.MaxOffers || len(a.Services) > peer.MaxServices ||
		len(a.Introduced) > peer.MaxIntroductions || len(a.Taken) > peer.MaxIntroductions {
		return about{}, errMessage
	}
	var kept about
	for _, e := range a.Endpoints {
		if peer.ValidOffer(e) {
			kept.Endpoints = append(kept.Endpoints, e)
		}
	}
	for _, o := range a.Offers {
		if peer.ValidOffer(o.Name) {
			kept.Offers = append(kept.Offers, o)
		}
	}
	for _, s := range a.Services {
		if peer.ValidOffer(s.Name) {
			kept.Services = append(kept.Services, s)
		}
	}
	for _, i := range a.Introduced {
		if peer.ValidOffer(i.Name) && (i.Role == peer.Inviter || i.Role == peer.Invited) {
			kept.Introduced = append(kept.Introduced, i)
		}
	}
	kept.Taken = a.Taken
	return kept, nil
}

// aboutUs is what we tell a friend.
func aboutUs(f link.Friend, taken []peer.ID) about {
	a := about{Endpoints: f.Endpoints, Taken: taken}
	for _, o := range f.Offers {
		a.Offers = append(a.Offers, offer{o.Name, peer.Key(o.Onion)})
	}
	for _, s := range f.Services {
		a.Services = append(a.Services, service(s))
	}
	for _, i := range f.Introduced {
		a.Introduced = append(a.Introduced, introduction{peer.Token(i.Token), peer.Role(i.Role), peer.Key(i.Onion), i.Name, i.Expires})
	}
	return a
}

// seen is the message for the parent about what a friend has said.
func (a about) seen(who peer.Key, roundTrip time.Duration) link.Seen {
	s := link.Seen{Onion: link.Key(who), RoundTrip: roundTrip, Endpoints: a.Endpoints}
	for _, o := range a.Offers {
		s.Offers = append(s.Offers, link.Offer{Name: o.Name, Onion: link.Key(o.Onion)})
	}
	for _, one := range a.Services {
		s.Services = append(s.Services, link.ServiceOffer(one))
	}
	for _, i := range a.Introduced {
		s.Introduced = append(s.Introduced, link.Introduction{Token: [16]byte(i.Token), Role: uint8(i.Role), Onion: link.Key(i.Onion),
			Name: i.Name, Expires: i.Expires})
	}
	for _, id := range a.Taken {
		s.Delivered = append(s.Delivered, [16]byte(id))
	}
	return s
}

// takes names the introductions in what another box said.
func (a about) takes() (ids []peer.ID) {
	for _, i := range a.Introduced {
		ids = append(ids, i.Token.ID())
	}
	return ids
}
