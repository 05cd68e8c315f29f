package tor

import (
	"context"
	"slices"
	"strings"
)

// What is here asks tor before a circuit is closed: decision 38 says when the daemon
// may close one.

// onCircuit are the streams of devices and servers on one circuit, by number.
type onCircuit struct {
	answered []string // by the other end
	waiting  []string
}

// streamsOn asks tor for the streams on a circuit as they are now (control-spec,
// "GETINFO", stream-status: ID STATUS CIRCUIT TARGET). It knows of each whether
// it was answered, also of transparent ones, about which the events say nothing.
func (s *session) streamsOn(circuit string) (onCircuit, error) {
	lines, err := s.commands.getInfoLines("stream-status")
	return streamsIn(lines, circuit), err
}

// streamsIn finds, in the lines of stream-status, those on a circuit.
func streamsIn(lines []string, circuit string) (on onCircuit) {
	for _, line := range lines {
		words := strings.Fields(line)
		switch {
		case len(words) < 4 || words[2] != circuit:
		case words[1] == "SUCCEEDED":
			on.answered = append(on.answered, words[0])
		default:
			on.waiting = append(on.waiting, words[0])
		}
	}
	return on
}

// closeWaits closes those of the circuits on which, as tor says now, this tor still
// waits for an onion. IfUnused has tor look once more: one that an onion has
// come to meanwhile, with a stream on it, stays (control-spec, "CLOSECIRCUIT").
func (s *session) closeWaits(ctx context.Context, ids []string) error {
	lines, err := s.commands.getInfoLines("circuit-status")
	if err != nil {
		return err
	}
	var still []string
	for _, line := range lines {
		id, rest, _ := strings.Cut(line, " ")
		words, err := splitWords(rest)
		if err != nil || !slices.Contains(ids, id) {
			continue
		}
		if args := keywords(words); args["PURPOSE"] == visitPurpose && args["HS_STATE"] == askedState {
			still = append(still, id+" IfUnused")
		}
	}
	_, err = s.closeCircuits(ctx, still, 0)
	return err
}

// GaveUp reports whether tor has given up on one of its guards (control-spec,
// "GETINFO", entry-guards: FINGERPRINT~NAME STATUS [TIME]), while no stream has an
// answer of its other end. Who cannot be asked has given up nothing.
func (t *Tor) GaveUp(context.Context) bool {
	s := t.running()
	if s == nil {
		return false
	}
	guards, err := s.commands.getInfoLines("entry-guards")
	if err != nil {
		return false
	}
	streams, err := s.commands.getInfoLines("stream-status")
	return err == nil && gaveUp(guards, streams)
}

func gaveUp(guards, streams []string) bool {
	state := func(word int, is string) func(string) bool {
		return func(line string) bool {
			words := strings.Fields(line)
			return len(words) > word && words[word] == is
		}
	}
	return slices.ContainsFunc(guards, state(1, "down")) && !slices.ContainsFunc(streams, state(1, "SUCCEEDED"))
}
