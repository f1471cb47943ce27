package fileserver

import (
	"errors"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// connection is a client's connection. It answers one request after another, and reuses its memory for each.
type connection struct {
	*Server
	sock *gentcp.Socket
	line [1 << 10]byte // the line being read; longer lines get memory of their own
	head head
	out  []byte // the head of the response, and a short body
	date time.Time
	// until is when the rest of the request must have arrived, once its first line has.
	until esock.Wait

	// The response.
	status int
	bytes  int64 // of the body
	last   bool  // the connection ends after it
}

const (
	// maxBody is the largest request body that is read and discarded so that the connection can go on.
	maxBody = 64 << 10
	// farewell limits how long the client may take to close the connection after the last response. If the server closed
	// first while data is unread, TCP would reset the connection, and the client could lose the response.
	farewell = 2 * time.Second
	// maxFarewell limits how many bytes are read in that time.
	maxFarewell = 1 << 20
)

// serve reads requests and answers them until one side ends the connection.
func (s *Server) serve(sock *gentcp.Socket) {
	c := &connection{Server: s, sock: sock}
	defer sock.Close()
	// The first request must arrive within Config.Head, like the rest of any other. Only later requests may take Config.Idle
	// to begin.
	wait := esock.Within(s.head).Begin()
	c.until = wait
	for !c.last {
		problem, err := c.readHead(wait)
		if err != nil {
			return
		}
		c.begin(problem)
		if problem != 0 {
			err = c.refuse(problem)
		} else {
			err = c.respond()
		}
		c.logRequest()
		if err != nil {
			return
		}
		wait, c.until = s.idle, esock.Within(s.head)
	}
	c.leave()
}

// begin decides whether another request may follow this one.
func (c *connection) begin(problem int) {
	c.date = time.Now()
	c.status, c.bytes = 0, 0
	h := &c.head
	c.last = problem != 0 || h.close || !h.keep && h.minor == 0
	// Do not wait for a body that is long, of unknown length, or sent only after a 100 (Continue).
	if h.coding.any || h.expects || h.length > maxBody {
		c.last = true
	}
	// If all slots are taken, other clients wait: no connection keeps its slot for a request that may never come.
	if c.busy.Load() >= int64(cap(c.slots)) {
		c.last = true
	}
	if !c.last && h.length > 0 && c.discard(h.length) != nil {
		c.last = true
	}
}

// discard reads a body of n bytes and discards it. The body must arrive in the rest of the time for the head.
func (c *connection) discard(n int64) error {
	if err := c.sock.SetOpts(gentcp.PacketType(packet.Raw)); err != nil {
		return err
	}
	for n > 0 {
		p, err := c.sock.RecvInto(c.line[:], int(min(n, int64(len(c.line)))), c.until)
		if err != nil {
			return err
		}
		n -= int64(len(p.Data()))
	}
	return c.sock.SetOpts(gentcp.PacketType(packet.HTTP))
}

// leave shuts down sending, and waits up to farewell for the client to close.
func (c *connection) leave() {
	if c.sock.Shutdown(esock.ShutWrite) != nil || c.sock.SetOpts(gentcp.PacketType(packet.Raw)) != nil {
		return
	}
	until := esock.Within(farewell).Begin()
	for n := 0; n < maxFarewell; {
		p, err := c.sock.RecvInto(c.line[:], 0, until)
		if err != nil {
			return
		}
		n += len(p.Data())
	}
}

// timedOut reports whether an operation ran out of time.
func timedOut(err error) bool { return errors.Is(err, esock.ErrTimeout) }
