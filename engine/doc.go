// Package engine serves many connections from one goroutine. A Loop waits for all of them at once, and one crossing into C waits,
// receives and sends for as many as are ready. The program is called when something has happened:
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
package engine
