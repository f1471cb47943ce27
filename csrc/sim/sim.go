// Package sim holds libesock-sim, a simulated kernel for the C core of esock, so that the Go tool compiles it.
//
// The package exports nothing to Go: package esocktest imports it for its C code alone. The contract is in esock_sim.h.
package sim

/*
#cgo CFLAGS: -std=gnu11 -O2 -fvisibility=hidden -I${SRCDIR}/..
#cgo LDFLAGS: -pthread
*/
import "C"

import (
	"embed"

	_ "github.com/esock-go/esock/csrc" // whose headers this includes
)

// An edit of the header rebuilds the packages that include it: see package csrc.
//
//go:embed *.h
var _ embed.FS
