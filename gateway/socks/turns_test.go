package socks

import (
	"bytes"
	"slices"
	"testing"

	"github.com/things-go/go-socks5/statute"
)

// script has tor's side of a handshake, of which each write brings the next part.
type script struct {
	answers [][]byte
	ready   bytes.Buffer
	written [][]byte
}

func (s *script) Write(b []byte) (int, error) {
	s.written = append(s.written, slices.Clone(b))
	if len(s.answers) > 0 {
		s.ready.Write(s.answers[0])
		s.answers = s.answers[1:]
	}
	return len(b), nil
}

func (s *script) Read(b []byte) (int, error) { return s.ready.Read(b) }

// A handshake with tor takes two turns. The greeting goes alone: tor loses its answer to one
// behind which more has come.
func TestHandshakeTakesTwoTurns(t *testing.T) {
	s := &script{answers: [][]byte{{5, 2}, append([]byte{1, 0}, success...)}}
	as := credentials{user: "u", password: "pw"}
	if _, err := request(s, as, statute.CommandConnect, destination{host: "a.example", port: 80}); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{{5, 1, 2}, []byte("\x01\x01u\x02pw\x05\x01\x00\x03\x09a.example\x00\x50")}
	if !slices.EqualFunc(s.written, want, bytes.Equal) {
		t.Errorf("tor was sent %q, want %q", s.written, want)
	}
	for name, answers := range map[string][][]byte{
		"no such method": {{5, 255}}, "not let in": {{5, 2}, {1, 1}}, "refused": {{5, 2}, {1, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0}},
		"silent": {{5, 2}, {1, 0}},
	} {
		if _, err := request(&script{answers: answers}, as, statute.CommandConnect, destination{host: "a.example", port: 80}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
