package page

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/rules"
)

func scene() feature.Scene {
	return feature.Scene{Config: &config.Config{Gateway: config.Gateway{Page: true}},
		Facts: feature.Facts{Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}, {Name: "guest"}}}}
}

// look is what is wanted and found in a scene of a box that has a certificate and a
// friend.
func look(s feature.Scene) (d feature.Desired, r feature.Report) {
	d.Serve.TLS = &link.TLS{Cert: "x"}
	d.Serve.DNS.Names = []link.Name{{Label: "", Box: true}, {Label: "alice", Addrs: addrs("10.192.1.0", "fd12::100")},
		{Label: "photos.alice"}, {Label: "films.nobody"}, {Label: "bob", Addrs: addrs("10.192.1.1")}}
	New(nil, Parts{}).Look(context.Background(), &s, &r).Add(s, &d)
	return d, r
}

func addrs(texts ...string) (list []netip.Addr) {
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

// The page is at both ports of the box and at port 80 of friends' own onions, on the
// household's interfaces and on no other.
func TestDoors(t *testing.T) {
	d, r := look(scene())
	want := []rules.Service{{Name: "page", Public: 80, Internal: config.ServePagePort},
		{Name: "page-tls", Public: 443, Internal: config.ServePageTLSPort},
		{Name: "shares", Public: 80, Internal: config.ServeSharesPort, To: netip.MustParseAddr("10.192.1.0")},
		{Name: "shares", Public: 80, Internal: config.ServeSharesPort, To: netip.MustParseAddr("10.192.1.1")}}
	if !slices.Equal(d.Rules.Services, want) || len(r.Findings) > 0 {
		t.Errorf("%+v, %+v", d.Rules.Services, r.Findings)
	}
	for _, l := range d.Listeners {
		if l.Interface != "br-lan" {
			t.Errorf("%+v", l)
		}
	}
	p := d.Serve.Page
	if len(d.Listeners) != 3 || len(p.Listeners) != 1 || len(p.TLS) != 1 || len(p.Shares) != 1 {
		t.Errorf("%+v, %+v", d.Listeners, p)
	}
	if len(p.Friends) != 2 || !slices.Equal(p.Friends[0].Shares, []string{"photos"}) || len(p.Friends[1].Shares) > 0 {
		t.Errorf("%+v", p.Friends)
	}
}

// A web server of the box's own keeps its port, and the owner hears of it.
func TestPortsThatAreTaken(t *testing.T) {
	s := scene()
	s.Surroundings.Serves = []uint16{22, 80}
	d, r := look(s)
	if p := d.Serve.Page; len(p.Listeners) > 0 || len(p.TLS) != 1 || len(r.Findings) != 1 || r.Findings[0].Code != health.PageElsewhere {
		t.Errorf("%+v, %+v", p, r.Findings)
	}
	if slices.ContainsFunc(d.Rules.Services, func(s rules.Service) bool { return s.Name == "page" }) {
		t.Errorf("%+v", d.Rules.Services)
	}
}

// It can be switched off.
func TestNoPage(t *testing.T) {
	s := scene()
	s.Config.Gateway.Page = false
	if d, r := look(s); d.Serve.Page != nil || len(d.Rules.Services)+len(d.Listeners)+len(r.Findings) > 0 {
		t.Errorf("%+v, %+v", d, r)
	}
}

// While the household is closed devices are led to the page too, and the box's own name is
// answered, once it is known which ports are the owner's.
func TestPageWhileClosed(t *testing.T) {
	s := scene()
	s.Surroundings.Links = []feature.Link{{Name: "br-lan"}}
	d, _ := look(s)
	for _, want := range []rules.Service{{Name: "page", Public: 80, Internal: config.ServePagePort, When: rules.Always},
		{Name: "page-tls", Public: 443, Internal: config.ServePageTLSPort, When: rules.Always},
		{Name: "closed-dns", UDP: true, Public: 53, Internal: config.ServeClosedDNSPort, When: rules.WhileClosed}} {
		if !slices.Contains(d.Rules.Services, want) {
			t.Errorf("no %+v: %+v", want, d.Rules.Services)
		}
	}
	for _, service := range d.Rules.Services {
		if service.When != rules.WhileOpen && service.To.IsValid() {
			t.Errorf("%+v", service)
		}
	}
	if len(d.Serve.Page.DNS) != 1 {
		t.Errorf("%+v", d.Serve.Page.DNS)
	}
	s.Surroundings.Serves = []uint16{80, 443}
	if d, _ := look(s); len(d.Serve.Page.DNS) > 0 || slices.ContainsFunc(d.Rules.Services, func(s rules.Service) bool {
		return s.When != rules.WhileOpen
	}) {
		t.Errorf("with servers of the owner's: %+v", d.Rules.Services)
	}
}
