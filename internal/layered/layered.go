// Package layered is the bridge between package esock and the layers above it, for what users do not need. It imports nothing,
// and package esock sets its variables when it is initialised. A socket is an *esock.Socket.
package layered

// Mark tells package esock that a layer holds locks while it uses the socket. No function of the user may run in a call on such
// a socket, so the handler of the trace runs in another goroutine.
var Mark func(socket any)

// NewChannel makes a channel that belongs to no testing/synctest bubble, wherever it is called. So a socket may be used in
// several bubbles and outside, and a wait for a turn does not count as durably blocked.
var NewChannel func(size int) chan struct{}

// Engine has the methods that only packages internal/active and netconn call. They assert them, with their types, because
// nothing of package esock can be named here.
var Engine any
