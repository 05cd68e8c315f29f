package socks

import (
	"context"
	"net/netip"

	"github.com/things-go/go-socks5/statute"
)

// Commands of tor's own (socks-extensions.txt, section 2), which torsocks and
// tor-resolve use: the address of a name, and the name of an address. Both
// carry a port, which means nothing.
const (
	commandResolve    = 0xF0
	commandResolvePTR = 0xF1
)

// resolve answers RESOLVE and RESOLVE_PTR: it asks tor under the device's
// credentials, and passes tor's answer on. A question about the house is
// refused as CONNECT is.
func (t *conversation) resolve(req statute.Request, given credentials) error {
	to, ok := t.outside(req.DstAddr)
	if !ok || req.Command == commandResolvePTR && !to.addr.IsValid() {
		t.reply(statute.RepRuleFailure)
		return errRefused
	}
	to.port = 0
	t.bridge = true
	ctx, cancel := context.WithTimeout(t.ctx, t.ConnectTimeout)
	defer cancel()
	upstream, found, err := t.ask(ctx, t.credentialsFor(t.device, given), req.Command, to)
	if err != nil {
		t.counts.failed.Add(1)
		t.reply(replyCode(err))
		return err
	}
	upstream.Close()
	if !t.foreign(found) {
		t.counts.failed.Add(1)
		return t.reply(statute.RepHostUnreachable)
	}
	return t.replyWith(statute.RepSuccess, found)
}

// foreign reports whether an answer is fit for a device: no address of the
// house, by which a page could reach what is in it, and no odd bytes in a name.
func (t *conversation) foreign(found []byte) bool {
	kind, address := found[0], found[1:len(found)-2]
	if kind == statute.ATYPDomain {
		return len(address) > 1 && printable(string(address[1:]))
	}
	a, ok := netip.AddrFromSlice(address)
	return ok && !t.Home.HomeAddr(a.Unmap())
}
