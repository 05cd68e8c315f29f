package gateway

import (
	"crypto/ed25519"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/tor"
	"tunic/internal/bench"
)

// BenchmarkPass measures a pass by which nothing changes: in a household that has
// nothing yet, and in one that has a thousand devices, 50 onions and 50 friends.
func BenchmarkPass(b *testing.B) {
	b.Run("idle", func(b *testing.B) { benchmarkPass(b, newHouse(b, nil)) })
	b.Run("big", func(b *testing.B) {
		h := bigHouse(b, 1000, 50, 50)
		benchmarkPass(b, h)
		devices, onions, found := len(h.snapshot().desired.Rules.Devices), len(h.torSpec.Onions), len(h.torSpec.Auth)
		if devices != 1000 || onions < 50 || found < 50*5 {
			b.Errorf("the rules know %d devices, tor has %d onions and finds %d", devices, onions, found)
		}
	})
}

// BenchmarkPeers puts into the file of results what a pass costs in the big house, against
// the empty one, in turns.
func BenchmarkPeers(b *testing.B) {
	const rounds, passes = 7, 40
	houses := []struct {
		name string
		h    *house
	}{{"tunic", bigHouse(b, 1000, 50, 50)}, {"the empty house", newHouse(b, nil)}}
	var ways []bench.Way
	for _, x := range houses {
		ways = append(ways, bench.Way{Name: x.name, Once: func() float64 {
			before := processorTime(b)
			for range passes {
				if !x.h.Gateway.pass(b.Context()) {
					b.Fatal(x.h.snapshot().why)
				}
			}
			return float64((processorTime(b) - before).Microseconds()) / passes
		}})
	}
	seen := bench.Turns(rounds, ways)
	bench.Report(b, bench.Compare("a pass, big house: processor", "us", bench.Less, 0.5, seen, "the empty house"), seen)
	b.ReportMetric(0, "ns/op")
}

func benchmarkPass(b *testing.B, h *house) {
	for range 2 { // what friends are granted is wanted by the second
		if !h.Gateway.pass(b.Context()) {
			b.Fatal(h.snapshot().why)
		}
	}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		if !h.Gateway.pass(b.Context()) {
			b.Fatal(h.snapshot().why)
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used so far: a machine that does other
// things at the same time changes it little.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bigHouse has devices of each policy, and friends who find each onion and have
// offered four each. It has stood for a while: tor has published its onions, and keys that were made this
// moment are read again in the next pass.
func bigHouse(b *testing.B, devices, onions, friends int) *house {
	b.Helper()
	files := make(map[string]string)
	policies := []string{"tor", "onion", "direct", "block"}
	for i := range devices {
		files[fmt.Sprintf("devices/d%d.toml", i)] = fmt.Sprintf(
			"mac = \"02:00:00:01:%02x:%02x\"\npolicy = %q\n", i>>8, i&0xff, policies[i%len(policies)])
	}
	for i := range friends {
		files[fmt.Sprintf("peers/f%d.toml", i)] = fmt.Sprintf("onion = %q\nclient = %q\n", onionOf(i), clientOf(i))
	}
	for i := range onions {
		files[fmt.Sprintf("onions/o%d.toml", i)] = fmt.Sprintf(
			"private = true\nclients = [\"f%d\", \"f%d\"]\n[ports]\n80 = \"192.168.77.20:%d\"\n", i%friends, (i+1)%friends, 8000+i)
	}
	h := newHouse(b, files)
	for i := range friends {
		befriend(b, h.Paths, i)
	}
	if !h.Gateway.pass(b.Context()) {
		b.Fatal(h.snapshot().why)
	}
	h.set(func() {
		h.status.Onions = make(map[string]tor.Descriptor)
		for _, o := range h.torSpec.Onions {
			h.status.Onions[o.Address] = tor.Descriptor{Out: true, Uploads: 16, At: time.Now(), Directories: 16}
		}
	})
	time.Sleep(2500 * time.Millisecond)
	return h
}

// befriend keeps of a friend what pairing and a first conversation do.
func befriend(b *testing.B, p config.Paths, i int) {
	b.Helper()
	seen := peer.Seen{At: time.Now(), Endpoints: []string{"smtp"}}
	for o := range 4 {
		seen.Offers = append(seen.Offers, peer.Offer{Name: fmt.Sprint("offer", o), Onion: onionOf(1000 + 4*i + o), Since: seen.At})
	}
	for name, what := range map[string]any{
		"key.json":  map[string]any{"onion": onionOf(i), "secret": clientOf(i), "words": "one two three four"},
		"seen.json": seen,
	} {
		path := filepath.Join(p.PeerKeys(fmt.Sprint("f", i)), name)
		text, err := json.Marshal(what)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// onionOf is the address of a friend's onion, the same in each run.
func onionOf(i int) onion.Address {
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(i))
	return onion.FromPublicKey(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// clientOf is the key, or the secret, by which a friend finds onions.
func clientOf(i int) string {
	key := make([]byte, 32)
	binary.BigEndian.PutUint64(key, uint64(i)+77)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)
}
