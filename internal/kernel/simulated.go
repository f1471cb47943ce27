package kernel

import (
	"sync/atomic"
	"unsafe"
)

// Simulation is a simulated kernel, which its hosts share. Package esocktest makes it.
type Simulation struct {
	Words *Words // in memory of the simulation
	State any    // what package esock keeps of it
}

// Words is struct esock_sim_words of csrc/sim.
type Words struct {
	Now     atomic.Uint64 // nanoseconds since the beginning
	Next    atomic.Uint64 // when something happens by itself
	Changes atomic.Uint64 // grows when sockets may have become ready, and when Next comes nearer
	Open    atomic.Uint64 // descriptors that are open
}

// Host is one host of a simulation, in which sockets live.
type Host struct {
	Table      unsafe.Pointer // struct esock_sys
	Simulation *Simulation
}

// What package esock sets when it is initialised.
var (
	// Begin makes a simulation known, with the table of one of its hosts. r is 0 or a negative errno.
	Begin func(s *Simulation, table unsafe.Pointer) (r int)
	// End closes the sockets that are open, and says which these were. The simulation may be freed afterwards.
	End func(s *Simulation) (open []string)
	// Bound returns the option, an esock.OpenOption, with which Open and Adopt make sockets of the host.
	Bound func(h *Host) any
	// Enter tells the simulation the time. It comes before each call of the simulation.
	Enter func(s *Simulation)
	// Leave hands out what has happened. It comes after each such call, with no lock held.
	Leave func(s *Simulation)
)
