package serve

import (
	"context"
	"net"

	"tunic/gateway/blocklist"
	"tunic/gateway/link"
	"tunic/gateway/socks"
)

// newBlocks gives block lists their only way in: tor's SocksPort.
func newBlocks(s *Server) *blocklist.Keeper {
	return blocklist.New(blocklist.Options{
		Log: s.log,
		Dial: func(ctx context.Context, isolation, host string, port uint16) (net.Conn, error) {
			c, err := s.socks.DialHost(ctx, "block list "+isolation, host, port)
			if err != nil {
				return nil, blocklist.Unreached(socks.Reason(err))
			}
			return c, nil
		},
	})
}

// block keeps the lists that are wanted.
func (s *Server) block(ctx context.Context, want *link.Block) {
	if want == nil {
		want = new(link.Block)
	}
	var lists []blocklist.List
	for _, l := range want.Lists {
		lists = append(lists, blocklist.List(l))
	}
	s.blocks.Set(ctx, want.Dir, lists)
}

func (s *Server) blockStatus() (all []link.BlockStatus) {
	for _, b := range s.blocks.Status() {
		all = append(all, link.BlockStatus{Source: b.Source, Names: b.Names, Exceptions: b.Exceptions, Ignored: b.Ignored,
			From: b.From, Error: b.Error})
	}
	return all
}
