// Package relaytime asks relays of the Tor network what time it is, before tor
// itself can: tor judges the relays' certificates by the box's clock, and with a
// clock that begins in 1970 no link of its own comes up.
//
// A relay says its time in the first moment of a link (tor-spec, "NETINFO
// cells"), after it has proved who it is ("CERTS cells"). Link follows that far
// and no further, and believes a relay that has the identity which the caller
// knows. Agree makes one time of what most of them say.
//
// The package holds no clock and opens no connection: both are given to it.
package relaytime
