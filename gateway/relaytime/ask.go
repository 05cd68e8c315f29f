package relaytime

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Limits of one question.
const (
	addrLimit = 10 * time.Second // for one address of a relay, all in all
	maxTrip   = 8 * time.Second  // an answer that took longer says too little
)

// Asker asks relays. Every field is required.
type Asker struct {
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Boot func() time.Duration // since the machine started; no step of the clock changes it
}

// Answer is what one relay said.
type Answer struct {
	Relay Relay
	Start time.Time     // the time at which the machine started, by that relay's clock
	Error time.Duration // how wrong that can be if the relay's clock is right
}

// Ask asks all relays at once and returns the answers of those that proved who
// they are, and for each of the others what went wrong.
func (a Asker) Ask(ctx context.Context, relays []Relay) (answers []Answer, errs []error) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	for _, r := range relays {
		wait.Go(func() {
			answer, err := a.relay(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("asking %s for the time: %w", r.Name, err))
				return
			}
			answers = append(answers, answer)
		})
	}
	wait.Wait()
	return answers, errs
}

// relay asks one, at one of its addresses after the other.
func (a Asker) relay(ctx context.Context, r Relay) (Answer, error) {
	errs := []error{errors.New("it has no address")}
	for i, addr := range r.Addrs {
		answer, err := a.address(ctx, r, addr.String())
		if err == nil {
			return answer, nil
		}
		errs = append(errs[min(i, 1):], err)
	}
	return Answer{}, errors.Join(errs...)
}

// nameless takes the address out of an error: a bridge's is a secret.
func nameless(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func (a Asker) address(ctx context.Context, r Relay, addr string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, addrLimit)
	defer cancel()
	plain, err := a.Dial(ctx, "tcp", addr)
	if err != nil {
		return Answer{}, nameless(err)
	}
	defer plain.Close()
	stop := context.AfterFunc(ctx, func() { plain.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return a.link(ctx, plain, r)
}

// link speaks on an open connection until the relay has told its time. That was
// some moment between the question and the answer, in the second that it named.
func (a Asker) link(ctx context.Context, plain net.Conn, r Relay) (Answer, error) {
	// The relay proves itself by the CERTS cell, not by the certificate's names
	// and dates, which are made up (tor-spec, "Negotiating and initializing channels").
	conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err := conn.HandshakeContext(ctx); err != nil {
		return Answer{}, err
	}
	asked := a.Boot()
	if _, err := conn.Write(versions); err != nil {
		return Answer{}, err
	}
	certs, seconds, err := readHello(conn)
	if err != nil {
		return Answer{}, err
	}
	trip := a.Boot() - asked
	until, err := prove(certs, r.ID, conn.ConnectionState().PeerCertificates[0].Raw)
	if err != nil {
		return Answer{}, err
	}
	told := time.Unix(int64(seconds), 0).UTC()
	switch {
	case !told.Before(until):
		return Answer{}, fmt.Errorf("it says %s, when its own certificates were over", told.Format(time.RFC3339))
	case trip > maxTrip:
		return Answer{}, fmt.Errorf("its answer took %s", trip.Round(time.Millisecond))
	}
	half := time.Second / 2
	return Answer{Relay: r, Start: told.Add(half - asked - trip/2), Error: half + trip/2}, nil
}
