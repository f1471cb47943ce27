//go:build race

package esock

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what C reads and writes. These tell it.

func raceRead(p unsafe.Pointer, n int) {
	if n > 0 {
		runtime.RaceReadRange(p, n)
	}
}

func raceWrite(p unsafe.Pointer, n int) {
	if n > 0 {
		runtime.RaceWriteRange(p, n)
	}
}
