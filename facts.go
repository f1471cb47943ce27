package esock

// Facts about a socket: the bits of Socket.facts.
const (
	factBound uint32 = 1 << iota
	factListening
	factConnected
	factSelectedRead
	factSelectedWrite
	factShutRead
	factShutWrite
	factFromFD     // adopted
	factBorrowed   // adopted without dup: the descriptor is not ours to close
	factRegistered // uses the registry
	factClosed     // the descriptor is gone
	factMonitored  // has, or had, a monitor
	factFiles      // SendFile was called: there may be counters for it
	factAccepting  // had a current acceptor when it was closed
	factConnecting // had a connect in progress then
	factReadEnded  // reading is shut for certain; factShutRead is set before the kernel is asked
	factWriteEnded // the same for writing
	factUnmade     // Adopt failed, so the descriptor goes back to the caller
	factLayered    // a layer above holds locks while it uses the socket
	factTried      // a Connect did not succeed at once
	factLowat      // SO_RCVLOWAT was set since a call took it for its own; guarded by s.mu
)
