package tor

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Exits says in which countries traffic may leave the network. The zero value
// means anywhere.
type Exits struct {
	Only    []string // ISO 3166 codes, lower case; none means all but Exclude
	Exclude []string
	GeoIP   GeoIP // which address is where; needed by the other two
}

// GeoIP is tor's database of addresses and countries.
type GeoIP struct {
	IPv4, IPv6 string // absolute paths; both are empty if there is none
}

// ErrNoGeoIP is returned by FindGeoIP.
var ErrNoGeoIP = errors.New("exit countries need tor's database of addresses, which is not installed: " +
	"install the package tor-geoipdb (on OpenWrt tor-geoip)")

// geoIPDirs are where packages put it.
var geoIPDirs = []string{"/usr/share/tor", "/usr/local/share/tor"}

// FindGeoIP looks for the database in the usual places. Without it a tor with
// exit countries finds no exit at all.
func FindGeoIP() (GeoIP, error) { return findGeoIP(geoIPDirs) }

func findGeoIP(dirs []string) (GeoIP, error) {
	for _, dir := range dirs {
		g := GeoIP{IPv4: dir + "/geoip", IPv6: dir + "/geoip6"}
		four, err := os.Stat(g.IPv4)
		six, err6 := os.Stat(g.IPv6)
		if err == nil && err6 == nil && four.Mode().IsRegular() && six.Mode().IsRegular() {
			return g, nil
		}
	}
	return GeoIP{}, ErrNoGeoIP
}

// lines are those of the torrc. ExitNodes and ExcludeExitNodes are strict by
// themselves; StrictNodes is about ExcludeNodes alone (tor(1), StrictNodes).
func (e Exits) lines() []string {
	var lines []string
	if len(e.Only)+len(e.Exclude) > 0 {
		lines = append(lines, "GeoIPFile "+e.GeoIP.IPv4, "GeoIPv6File "+e.GeoIP.IPv6)
	}
	if len(e.Only) > 0 {
		lines = append(lines, "ExitNodes "+countrySet(e.Only))
	}
	if len(e.Exclude) > 0 {
		lines = append(lines, "ExcludeExitNodes "+countrySet(e.Exclude))
	}
	return lines
}

func countrySet(codes []string) string {
	return "{" + strings.Join(codes, "},{") + "}"
}

func (e Exits) check() []error {
	var errs []error
	for _, code := range append(append([]string(nil), e.Only...), e.Exclude...) {
		if len(code) != 2 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz") != "" {
			errs = append(errs, fmt.Errorf("checking exit countries: %q is no code of a country", code))
		}
	}
	if len(e.Only)+len(e.Exclude) > 0 {
		errs = append(errs, checkPath(e.GeoIP.IPv4), checkPath(e.GeoIP.IPv6))
	}
	return errs
}

func (e Exits) clone() Exits {
	e.Only, e.Exclude = append([]string(nil), e.Only...), append([]string(nil), e.Exclude...)
	return e
}
