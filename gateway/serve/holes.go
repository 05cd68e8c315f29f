package serve

import (
	"context"
	"net"

	"tunic/gateway/config"
	"tunic/gateway/endpoint/gopher"
	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// holes are those of friends, for a search that a device of the house asks for. They share
// circuits with nothing else.
func (s *Server) holes(friends []link.ServiceFriend) (list []gopher.Friend) {
	for _, f := range friends {
		host := peer.Key(f.Onion).Address().Host()
		list = append(list, gopher.Friend{Name: f.Name, Host: host, Here: f.Name + config.PeerDomain,
			Dial: func(ctx context.Context) (net.Conn, error) {
				return s.socks.DialOnion(ctx, "friends' holes", host, gopherPort)
			}})
	}
	return list
}
