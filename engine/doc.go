// Package engine serves many connections from one goroutine. A Loop waits for all of them at once, and one crossing
// into C waits, receives and sends for as many as are ready. It calls the program's Handler when something has
// happened:
//
//	type echo struct{}
//
//	func (echo) Opened(c *engine.Conn)             {}
//	func (echo) Received(c *engine.Conn, b []byte) { c.Write(b) }
//	func (echo) Writable(c *engine.Conn)           {}
//	func (echo) Closed(c *engine.Conn, err error)  {}
//
//	loop, err := engine.New()
//	err = loop.Serve(listener, echo{})
//	err = loop.Run(ctx)
//
// Handlers run in the goroutine of Run, one at a time. A handler that takes long holds up all connections of its loop.
//
// Write copies what it is given into memory of the loop, which sends it with its next turn. A peer that does not read
// stops the reading from its own connection, and then Write: see Mark.
//
// Packets makes a Handler that hands whole packets to the program, framed as package packet has it. Conn.Raw takes
// bytes between packets as they come, such as the body of an HTTP request.
//
// On a socket of datagrams, Conn.From is the sender of the one that was received, and Conn.WriteTo sends one to an
// address.
//
// Loop.After calls a function later. SetIdleTimeout and SetWriteTimeout end connections without traffic. None of them
// costs a timer of the runtime: a loop has one wheel, and sleeps until its next timer is due.
//
// A handler that panics, or calls runtime.Goexit, ends its connection, and the loop goes on: see Panicked.
//
// Sharded makes several loops that listen on one address. Shutdown lets the connections of a loop finish, and
// Conn.HandOver takes one out that is to go on elsewhere: AdoptUnread takes it into another loop, of a process that has
// got its descriptor for example. AdoptFramed serves a connection of package gentcp.
//
// While a loop is busy, other goroutines run after each round of some 64 results, and between handlers that take long.
//
// A loop that has nothing left to do looks for more for a short time (Spin) before it sleeps. Counters tell how often.
//
// BusyPoll has the kernel poll the network device before that, and BusyPolling tells whether it can.
//
// A loop waits with epoll(7), or with io_uring(7) where WaitWith says so and the system has it: see Backend.
//
// A socket that a loop serves stays in the registry, with its counters and options. Calls on it that send or receive
// return esock.ErrState; Close closes the connection, from any goroutine. Detach takes it out of the loop.
//
// A loop has no TLS. Where bytes are to be encrypted, a goroutine has the connection (Detach, netconn.NewConn,
// crypto/tls), or TLS ends before the loop, in a proxy.
//
// The examples of the repository are servers: engine-echo with several loops, and an end that waits for clients, engine-chat
// with packets and clients that do not read, engine-http with requests that may be pipelined.
package engine
