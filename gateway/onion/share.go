package onion

import "tunic/gateway/fair"

// Limiter bounds streams per circuit and in all. cut is called if the stream has
// to make room for another; leave is called once, when it is over.
type Limiter interface {
	Enter(circuit uint32, cut func()) (leave func(), ok bool)
}

// Share is a Limiter that is fair to circuits: who holds all streams with some
// circuits keeps nobody out, and needs as many circuits as there are streams;
// against that tor asks for work.
type Share = fair.Share[uint32]

// NewShare returns a Share for at most perCircuit streams at one time of each
// circuit, and total in all.
func NewShare(perCircuit, total int) *Share { return fair.New[uint32](perCircuit, total) }
