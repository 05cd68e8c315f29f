package settings

import (
	"crypto/sha256"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"tunic/gateway/config"
)

// mayChange are all keys of tunic.toml that the page may change, by their fields.
var mayChange = []string{"Household.DefaultPolicy", "Gateway.Metrics", "DNS.Block"}

// Whatever a configuration was made from: with another value of any other key than
// those it is refused. A key that comes later is refused until it is named here.
func TestAllKeysButThese(t *testing.T) {
	n := 0
	for _, section := range []string{"Household", "Gateway", "Tor", "DNS", "Socks", "Notices"} {
		kind := reflect.TypeFor[config.Config]()
		field, _ := kind.FieldByName(section)
		for i := range field.Type.NumField() {
			name := section + "." + field.Type.Field(i).Name
			before, after := new(config.Config), new(config.Config)
			other(t, reflect.ValueOf(after).Elem().FieldByName(section).Field(i))
			err := allowed(before, after)
			if may := slices.Contains(mayChange, name); (err == nil) != may && name != "DNS.Block" {
				t.Errorf("%s: %v", name, err)
			}
			n++
		}
	}
	if n < 15 {
		t.Errorf("only %d keys", n)
	}
}

// other gives a field another value than none.
func other(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.AddrPort]() {
			v.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.1:53")))
			return
		}
		other(t, v.Field(0))
	default:
		t.Fatalf("%s is of another kind", v.Type())
	}
}

func TestFilesOfOthers(t *testing.T) {
	of := func(names ...string) *config.Config {
		c := &config.Config{Files: map[string][sha256.Size]byte{}}
		for _, name := range names {
			c.Files[name] = sha256.Sum256([]byte(name))
		}
		return c
	}
	for name, may := range map[string]bool{"tunic.toml": true, "endpoints/smtp.toml": true, "devices/tv.toml": false,
		"onions/home.toml": false, "peers/alice.toml": false, "torrc.d/a.conf": false, "groups/choir.toml": false} {
		if err := allowed(of(), of(name)); (err == nil) != may {
			t.Errorf("%s is new: %v", name, err)
		}
		if err := allowed(of(name), of()); (err == nil) != may {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// A server is switched on or off; to whom a friend's stream goes is no matter of the page.
func TestServersOfOthers(t *testing.T) {
	own := config.Endpoint{Name: "irc"}
	handed := config.Endpoint{Name: "irc", Server: config.Target{Addr: netip.MustParseAddrPort("192.168.77.9:6667")}}
	of := func(list ...config.Endpoint) *config.Config { return &config.Config{Endpoints: list} }
	if err := allowed(of(own), of(handed)); err == nil {
		t.Error("a server is handed over")
	}
	for _, err := range []error{allowed(of(own), of()), allowed(of(), of(own)), allowed(of(handed), of(handed))} {
		if err != nil {
			t.Error(err)
		}
	}
}
