package fileserver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// conversation is one connection: requests are read and answered in turn. All its memory is used again for the next
// request.
type conversation struct {
	*Server
	sock *gentcp.Socket
	line [1 << 10]byte // the line being read; longer ones get memory of their own
	head head
	name []byte // the file asked for
	out  []byte // the head of the answer, and a short body
	date time.Time
	// until is when the request must be there, once its first line is.
	until esock.Wait

	// About the answer.
	status int
	bytes  int64 // of the body
	last   bool  // the connection ends with it
}

const (
	// maxBody is up to how many bytes of a request's body are read and thrown away so that the connection can go on.
	maxBody = 64 << 10
	// farewell is how long a client may take to end a connection after its last answer: if it were closed while there
	// is something to read, TCP would reset it, and the client might lose the answer.
	farewell = 2 * time.Second
	// maxFarewell is how many bytes are read meanwhile.
	maxFarewell = 1 << 20
)

// converse reads requests and answers them, until one side ends it.
func (s *Server) converse(sock *gentcp.Socket) {
	c := &conversation{Server: s, sock: sock}
	defer sock.Close()
	// The first request must not take longer than its head may; those that follow may be waited for.
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
			err = c.answer()
		}
		c.tell()
		if err != nil {
			return
		}
		wait, c.until = s.idle, esock.Within(s.head)
	}
	c.leave()
}

// begin settles whether there may be a next request.
func (c *conversation) begin(problem int) {
	c.date = time.Now()
	c.status, c.bytes = 0, 0
	h := &c.head
	c.last = problem != 0 || h.close || !h.keep && h.minor == 0
	// A body that is long, or whose length is not known, is not waited for, nor one that waits for our leave to come.
	if h.coded || h.expects || h.length > maxBody {
		c.last = true
	}
	// When there are as many connections as there may be, others wait: nobody keeps one.
	if c.busy.Load() >= int64(cap(c.slots)) {
		c.last = true
	}
	if !c.last && h.length > 0 && c.discard(h.length) != nil {
		c.last = true
	}
}

// discard reads a body and throws it away. It must come in the time that the head has left.
func (c *conversation) discard(n int64) error {
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

// leave ends sending, and waits a little until the client has ended, too.
func (c *conversation) leave() {
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

// tell writes the line of the log, in the common format.
func (c *conversation) tell() {
	if c.log == nil {
		return
	}
	host := "-"
	if a, err := c.sock.PeerName(); err == nil {
		host = c.sock.Socket().NameZone(a).AddrPort().Addr().String()
	}
	quoted := strconv.Quote(string(c.head.first))
	line := fmt.Sprintf("%s - - [%s] \"%s\" %d %d\n", host, c.date.Format("02/Jan/2006:15:04:05 -0700"),
		strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `\x22`), c.status, c.bytes)
	c.logging.Lock()
	defer c.logging.Unlock()
	c.log.Write([]byte(line)) // nobody to tell that it cannot be written
}

// timedOut reports an end by time.
func timedOut(err error) bool { return errors.Is(err, esock.ErrTimeout) }
