package gateway

import "tunic/gateway/feature"

// What the box is like at a moment is said in package feature.
type (
	IDs            = feature.IDs
	ChildIDs       = feature.ChildIDs
	Facts          = feature.Facts
	InterfaceFacts = feature.InterfaceFacts
	Neighbour      = feature.Neighbour
	Around         = feature.Around
	Link           = feature.Link
	Visit          = feature.Visit
	Firewall       = feature.Firewall
	Ranges         = feature.Ranges
	Desired        = feature.Desired
)
