// Package feature holds what the reconciler and the rooms beside it have in
// common: what the box is like at a moment.
//
// It is a leaf towards them: it knows no feature, and neither the reconciler nor
// the system.
package feature
