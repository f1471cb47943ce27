//go:build !race

package esock

import "unsafe"

const raceEnabled = false

func raceRead(unsafe.Pointer, int)  {}
func raceWrite(unsafe.Pointer, int) {}
