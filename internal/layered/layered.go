// Package layered is how the layers above package esock tell it what no user has to know. It imports nothing, and package esock
// sets its functions when it is initialised. A socket is an *esock.Socket.
package layered

// Mark says that a layer has the socket and holds locks while it uses it. So no function of the user's may run in a call on
// the socket: the handler of the trace then runs in another goroutine.
var Mark func(socket any)

// NewChannel makes a channel that belongs to no testing/synctest bubble, wherever it is called: sockets may be used in one
// bubble after another, and outside, and a wait for a turn does not count as durably blocked.
var NewChannel func(size int) chan struct{}

// Engine has the methods that package internal/active calls and users have no need of. That package states them, with their
// types, and asserts them: nothing of package esock can be named here.
var Engine any
