// Package layered has functions of package esock for the layers above it, which its users do not need. Package esock sets
// them when it is initialised. A socket is an *esock.Socket.
package layered

// Mark marks a socket of a layer that holds locks while it uses it. The handler of the trace then runs in another goroutine,
// because no function of the user may run under those locks.
var Mark func(socket any)

// NewChannel makes a channel that belongs to no testing/synctest bubble, wherever it is called. So a socket may be used in
// several bubbles and outside, and a wait for a turn does not count as durably blocked.
var NewChannel func(size int) chan struct{}

// Engine has the methods that package internal/active calls and users have no need of. That package states them, with their
// types, and asserts them: nothing of package esock can be named here.
var Engine any
