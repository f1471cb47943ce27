// Package csrc holds libesock, the C core of esock, so that the Go tool compiles it.
//
// The package exports nothing to Go: esock imports it for its C code alone, and is the only package that
// calls it. The contract is in esock.h.
package csrc

/*
#cgo CFLAGS: -std=gnu11 -O2 -fvisibility=hidden
*/
import "C"

import "embed"

// The Go tool does not know that other packages include these headers, nor that the C files include the option
// rows. Embedding makes them part of this package, so that an edit of any of them rebuilds what depends on it.
// Nothing reads the variable, and the linker drops it.
//
//go:embed *.h *.def
var _ embed.FS
