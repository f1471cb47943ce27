package fileserver

import (
	"errors"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// connection is a client's connection. It answers one request after another, and reuses its memory for each.
type connection struct {
	*Server
	stream
	sock   *esock.Socket // of stream
	member member
	client string        // the client's address, for the log
	line   [1 << 10]byte // the line being read; longer lines get memory of their own
	head   head
	out    []byte // the head of the response, and a short body
	date   time.Time
	held   heldEntry
	// until is when the rest of the request must have arrived, once its first line has.
	until esock.Wait

	// The response.
	status int
	bytes  int64 // of the body that were sent
	length int64 // of the body; -1: unknown
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
	defer sock.Close()
	plain := &socket{Socket: sock, stall: s.stall}
	c := &connection{Server: s, stream: plain, sock: sock.Socket(), client: clientOf(sock)}
	c.member.close = func() { sock.Close() }
	defer c.crowd.leave(&c.member)
	c.held.write, c.held.left = c.write, c.sock.NWrite
	defer c.held.release(nil, 0)
	// The first request must arrive within Config.Head, like the rest of any other. Only later requests may take Config.Idle
	// to begin.
	wait := esock.Within(s.head).Begin()
	c.until = wait
	if !c.crowd.rest(&c.member, false) {
		return
	}
	if s.tls != nil {
		secure, err := secured(plain, s.tls, wait)
		if err != nil {
			c.leave() // the client may not have read the alert yet
			return
		}
		c.stream = secure
	}
	for {
		problem, err := c.readHead(wait)
		c.held.release(err, 0)
		if err != nil {
			return
		}
		c.begin(problem)
		if problem != 0 {
			err = c.refuse(problem)
		} else {
			err = c.respond()
		}
		if err == nil {
			err = c.delivered()
		}
		c.logRequest(err)
		switch {
		case err != nil:
			return
		case c.last, !c.crowd.rest(&c.member, true):
			written := c.sock.Counters().WriteByte
			err = c.leave()
			c.held.release(err, int(c.sock.Counters().WriteByte-written)+1) // TLS sends an alert before the end
			return
		}
		wait, c.until = s.idle, esock.Within(s.head)
	}
}

// begin decides whether another request may follow this one.
func (c *connection) begin(problem int) {
	c.date = time.Now()
	c.status, c.bytes, c.length = 0, 0, 0
	h := &c.head
	c.last = problem != 0 || h.close || !h.keep && h.minor == 0
	// Do not wait for a body that is long, of unknown length, or sent only after a 100 (Continue).
	if h.coding.any || h.expects || h.length > maxBody {
		c.last = true
	}
	// Another client may wait for the place of this one, or the server end.
	if !c.last && c.crowd.gives(&c.member) {
		c.last = true
	}
	if !c.last && h.length > 0 && c.skip(h.length, c.until) != nil {
		c.last = true
	}
}

// leave ends sending, and waits up to farewell for the client to close. The error is what the connection ended with.
func (c *connection) leave() error {
	if err := c.shut(); err != nil {
		return err
	}
	return c.skip(maxFarewell, esock.Within(farewell).Begin())
}

// timedOut reports whether an operation ran out of time.
func timedOut(err error) bool { return errors.Is(err, esock.ErrTimeout) }
