package page

import (
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tunic/gateway/api"
)

// whyProtocols are those that the form has.
var whyProtocols = []string{"tcp", "udp"}

// whyOf is a device's connection to an address, or with none its usual ones.
func whyOf(f url.Values) (any, error) {
	r := api.WhyRequest{Device: f.Get("device")}
	to := strings.TrimSpace(f.Get("to"))
	if to == "" {
		return r, nil
	}
	addr, err := netip.ParseAddr(to)
	if err != nil || addr.Zone() != "" {
		return nil, errors.New("why.to.wrong")
	}
	port, err := strconv.ParseUint(f.Get("port"), 10, 16)
	if err != nil || port == 0 || !slices.Contains(whyProtocols, f.Get("protocol")) {
		return nil, errors.New("why.port.wrong")
	}
	r.To, r.Port, r.Protocol = addr.String(), uint16(port), f.Get("protocol")
	return r, nil
}

// Count is a number that there is.
func (view) Count(n *uint64) uint64 { return *n }

func tellWhy(answer json.RawMessage, o *outcome) error { return json.Unmarshal(answer, &o.Why) }
