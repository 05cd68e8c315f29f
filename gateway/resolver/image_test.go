package resolver

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
)

// reader is a udpServer without a socket.
type reader struct {
	udpServer
	room [ednsSize]byte
}

func newReader(r *Resolver) *reader {
	return &reader{udpServer: udpServer{handler: handler{Resolver: r, ctx: context.Background()}}}
}

// ask returns the answer to a question that needs nobody, and whether it was an image.
func (r *reader) ask(t testing.TB, from netip.Addr, question []byte) (answer []byte, image bool) {
	t.Helper()
	r.images.renew(r.Resolver)
	if b := r.fromImage(from, question, r.room[:]); b != nil {
		return bytes.Clone(b), true
	}
	b, _, done := r.fresh(from, question, r.room[:])
	if !done {
		t.Fatalf("the reader did not know the answer to %x", question)
	}
	return bytes.Clone(b), false
}

// wire is a question as a device sends it.
func wire(t testing.TB, id uint16, name string, qtype, edns uint16) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.Id = id
	if edns > 0 {
		m.SetEdns0(edns, false)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var imageDevice = netip.MustParseAddr("192.168.77.10")

// learned puts what Tor has said into the cache of a device.
func learned(r *Resolver, from netip.Addr, name string, qtype uint16, a answer) {
	r.state.Load().cache.put(r.state.Load().cache.owner(from), question{name: name, qtype: qtype}, a, time.Now())
}

func knownHome(t testing.TB) *Resolver {
	t.Helper()
	r := quietResolver(t)
	learned(r, imageDevice, "www.example.com.", dns.TypeA, answer{ttl: 100 * time.Second,
		rrs: []dns.RR{rr("www.example.com. 1 A 93.184.216.34"), rr("www.example.com. 1 A 93.184.216.35")}})
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		learned(r, imageDevice, "none.example.com.", qtype, answer{rcode: dns.RcodeNameError, ttl: time.Hour})
	}
	return r
}

// The second answer is the first one's image: it has the question's number and spelling,
// and is the same in all else.
func TestImageIsTheAnswer(t *testing.T) {
	r := newReader(knownHome(t))
	for _, name := range []string{"www.example.com.", "none.example.com.", "box.home.arpa.", "printer.", "."} {
		for _, edns := range []uint16{0, ednsSize} {
			first, image := r.ask(t, imageDevice, wire(t, 1, name, dns.TypeA, edns))
			if image {
				t.Errorf("%s: the first answer is an image", name)
			}
			mixed := strings.ToUpper(name[:len(name)/2]) + name[len(name)/2:]
			second, image := r.ask(t, imageDevice, wire(t, 2, mixed, dns.TypeA, edns))
			if !image {
				t.Errorf("%s: the second answer was made", name)
			}
			var a, b dns.Msg
			if err := a.Unpack(first); err != nil {
				t.Fatal(err)
			}
			if err := b.Unpack(second); err != nil {
				t.Fatal(err)
			}
			if b.Id != 2 || b.Question[0].Name != mixed || len(b.Answer) > 0 && b.Answer[0].Header().Name != mixed {
				t.Errorf("%s: %v", mixed, &b)
			}
			copy(second, first[:2])
			if !strings.EqualFold(string(first), string(second)) {
				t.Errorf("%s: %x, then %x", name, first, second)
			}
		}
	}
}

// An image is of one address alone, and of one kind of question.
func TestImageIsForNobodyElse(t *testing.T) {
	r := newReader(knownHome(t))
	question := wire(t, 1, "www.example.com.", dns.TypeA, 0)
	r.ask(t, imageDevice, question)
	r.images.renew(r.Resolver)
	if r.fromImage(imageDevice, question, r.room[:]) == nil {
		t.Error("the device itself got no image")
	}
	if b := r.fromImage(imageDevice.Next(), question, r.room[:]); b != nil {
		t.Errorf("its neighbour got %x", b)
	}
	for what, q := range map[string][]byte{
		"another type": wire(t, 1, "www.example.com.", dns.TypeAAAA, 0),
		"another name": wire(t, 1, "w.ww.example.com.", dns.TypeA, 0),
		"EDNS":         wire(t, 1, "www.example.com.", dns.TypeA, ednsSize),
		"half":         question[:len(question)/2],
		"more":         append(bytes.Clone(question), 0),
	} {
		if b := r.fromImage(imageDevice, q, r.room[:]); b != nil {
			t.Errorf("%s got %x", what, b)
		}
	}
}

// A device that gets the address of another one is not told at once, with what is left of the
// time to live, what that one asked for.
func TestImageIsOfTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mac := "02:00:5e:10:00:01"
		read := func() (map[netip.Addr]string, error) { return map[netip.Addr]string{imageDevice: mac}, nil }
		o := quietResolver(t).Options
		o.Devices = &device.Table{Read: read}
		made, err := New(o, testConfig)
		if err != nil {
			t.Fatal(err)
		}
		learned(made, imageDevice, "www.example.com.", dns.TypeA, answer{ttl: time.Hour,
			rrs: []dns.RR{rr("www.example.com. 1 A 93.184.216.34")}})
		r, question := newReader(made), wire(t, 1, "www.example.com.", dns.TypeA, 0)
		r.ask(t, imageDevice, question)
		time.Sleep(time.Minute)
		if _, image := r.ask(t, imageDevice, question); !image {
			t.Error("the device itself got no image")
		}
		mac = "02:00:5e:10:00:02"
		time.Sleep(time.Minute)
		r.images.renew(made)
		if b := r.fromImage(imageDevice, question, r.room[:]); b != nil {
			t.Errorf("the next device with its address got %x", b)
		}
	})
}

// Times to live count down in an image, and it ends with what it is from.
func TestImageEnds(t *testing.T) {
	r := newReader(knownHome(t))
	question := wire(t, 1, "www.example.com.", dns.TypeA, ednsSize)
	r.ask(t, imageDevice, question)
	begin := time.Now()
	at := func(d time.Duration) []byte {
		r.images.renew(r.Resolver)
		r.images.now = begin.Add(d)
		return r.fromImage(imageDevice, question, r.room[:])
	}
	var m dns.Msg
	if err := m.Unpack(at(30*time.Second + time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for _, rr := range m.Answer {
		if rr.Header().Ttl != 70 {
			t.Errorf("after half a minute: %v", rr)
		}
	}
	if opt := m.IsEdns0(); len(m.Answer) != 2 || opt == nil || opt.UDPSize() != ednsSize {
		t.Errorf("after half a minute: %v", &m)
	}
	if b := at(100 * time.Second); b != nil {
		t.Errorf("after its time to live: %x", b)
	}
}

// "No such name" is said for as long as Tor has said so of both families.
func TestImageOfNothingEndsWithEitherFamily(t *testing.T) {
	r := newReader(quietResolver(t))
	question := wire(t, 1, "none.example.com.", dns.TypeA, 0)
	learned(r.Resolver, imageDevice, "none.example.com.", dns.TypeA, answer{rcode: dns.RcodeNameError, ttl: time.Hour})
	learned(r.Resolver, imageDevice, "none.example.com.", dns.TypeAAAA, answer{rcode: dns.RcodeNameError, ttl: minTTL})
	r.ask(t, imageDevice, question)
	if b, image := r.ask(t, imageDevice, question); !image || b[3]&0xf != dns.RcodeNameError {
		t.Errorf("both families: image %v, %x", image, b)
	}
	r.images.now = time.Now().Add(minTTL)
	if b := r.fromImage(imageDevice, question, r.room[:]); b != nil {
		t.Errorf("when the other family is not known any more: %x", b)
	}
}

// What is forgotten, set or hidden is so at once.
func TestImagesAreForgotten(t *testing.T) {
	var hidden atomic.Bool
	for what, change := range map[string]func(*Resolver){
		"Forget":    func(r *Resolver) { r.Forget(imageDevice) },
		"ForgetAll": func(r *Resolver) { r.ForgetAll() },
		"Set": func(r *Resolver) {
			c := testConfig.Clone()
			c.Private = []string{"example.net"}
			if err := r.Set(c); err != nil {
				t.Error(err)
			}
		},
		"Blocked": func(*Resolver) { hidden.Store(true) },
	} {
		r := newReader(knownHome(t))
		hidden.Store(false)
		r.Blocked = func(name string) bool { return name == "www.example.com" && hidden.Load() }
		question := wire(t, 1, "www.example.com.", dns.TypeA, 0)
		r.ask(t, imageDevice, question)
		if _, image := r.ask(t, imageDevice, question); !image {
			t.Errorf("%s: there was no image", what)
		}
		change(r.Resolver)
		r.images.renew(r.Resolver)
		if b := r.fromImage(imageDevice, question, r.room[:]); b != nil {
			t.Errorf("%s: %x", what, b)
		}
	}
}

// However many names are asked for, images are bounded, and what is asked again and again
// keeps its own.
func TestImagesAreBounded(t *testing.T) {
	r := newReader(quietResolver(t))
	often := wire(t, 1, "box.home.arpa.", dns.TypeA, 0)
	r.ask(t, imageDevice, often)
	for i := range 5 * maxImages {
		r.ask(t, imageDevice, wire(t, 1, "localhost.", uint16(300+i), 0))
		if _, image := r.ask(t, imageDevice, often); !image {
			t.Fatalf("after %d others there is no image", i)
		}
	}
	if n, before := len(r.images.of), len(r.images.before); n > maxImages || before > maxImages {
		t.Errorf("%d images, and %d before", n, before)
	}
}

// FuzzImage: whatever a device sends, an image of the answer is what would be made.
func FuzzImage(f *testing.F) {
	packets(f)
	r := newReader(knownHome(f))
	for _, name := range []string{"www.example.com.", "none.example.com."} {
		f.Add(wire(f, 1, name, dns.TypeA, 0))
		f.Add(wire(f, 1, name, dns.TypeA, 600))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		r.images.renew(r.Resolver)
		r.images.of = make(map[string]*image)
		r.images.look(imageDevice, packet)
		first, turn, done := r.fresh(imageDevice, packet, r.room[:])
		if !done {
			turn.place.leave()
			return
		}
		if r.images.nameEnds == 0 {
			return
		}
		first = bytes.Clone(first)
		spelt := bytes.Clone(packet)
		for i, c := range spelt[:r.images.nameEnds] {
			if i > headerSize && 'a' <= c && c <= 'z' {
				spelt[i] -= 'a' - 'A'
			}
		}
		image := r.fromImage(imageDevice, spelt, r.room[:])
		if image == nil {
			return
		}
		image = bytes.Clone(image)
		made, _, _ := r.fresh(imageDevice, spelt, r.room[:])
		if !bytes.Equal(image, made) {
			t.Errorf("%x, spelt %x:\n%x first, its image\n%x, made\n%x", packet, spelt, first, image, made)
		}
	})
}
