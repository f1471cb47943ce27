package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
)

// Handler is what a program does with the connections of a loop. Its methods are called in the goroutine of Run, one
// at a time.
type Handler interface {
	// Opened is called once, before anything else. The connection may have ended already: then Closed follows at once.
	Opened(c *Conn)
	// Received is called with what the peer has sent. b is valid until it returns.
	Received(c *Conn, b []byte)
	// Writable is called when Write has returned ErrFull and there is room again.
	Writable(c *Conn)
	// Closed is called once, last. err is io.EOF when the peer has ended the stream, net.ErrClosed when the program
	// has closed it, what Run returns when that ends, else why it failed: a *PanicError, or a *net.OpError in which
	// errors.Is finds the syscall.Errno or os.ErrDeadlineExceeded. The socket closes when Closed returns.
	Closed(c *Conn, err error)
}

// ErrFull is the error of Write while the connection has more unsent bytes than Mark allows.
var ErrFull = errors.New("engine: too many unsent bytes")

// PanicError is why a connection ended whose handler panicked, or called runtime.Goexit.
type PanicError struct {
	Value any // of the panic; ErrGoexit
	Stack []byte
}

// ErrGoexit is the Value of a PanicError without a panic: runtime.Goexit was called, as FailNow of package testing
// does.
var ErrGoexit = errors.New("runtime.Goexit was called")

func (e *PanicError) Error() string { return fmt.Sprintf("engine: the handler panicked: %v", e.Value) }

// Unwrap returns the Value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Panicked sets what is told of handlers, and functions of Post and After, that panic; if it is not given, the
// default logger of log/slog. A handler's panic, and that of a function of Conn.Post, closes the connection with the
// same error. For functions of Loop.Post and After, c is nil. The loop goes on. A panic of f ends the program.
//
// A call of runtime.Goexit is told as a panic, and the loop goes on, in another goroutine. When the loop has ended,
// that of Run ends too: Run does not return.
func Panicked(f func(c *Conn, err *PanicError)) Option {
	return func(c *config) error {
		if f == nil {
			return &esock.InvalidError{What: "panicked", Cause: "it is nil"}
		}
		c.panicked = f
		return nil
	}
}

func report(c *Conn, err *PanicError) {
	slog.Error(err.Error(), "socket", c.Socket(), "stack", string(err.Stack))
}

// returned is deferred where the program is called. It ends a connection whose handler panics.
func (l *Loop) returned(c *Conn) {
	if !l.inside {
		return
	}
	l.inside = false
	err := &PanicError{Value: recover(), Stack: debug.Stack()}
	if err.Value == nil {
		err.Value = ErrGoexit
	}
	if c != nil {
		l.drop(c, err)
	}
	l.panicked(c, err)
}

// Conn is a connection in a loop. Its methods are for the handler; other goroutines use Post.
type Conn struct {
	// Data is the program's own.
	Data any

	joined
	h       Handler
	sending []sending // in order: given to the queue, or about to be
	unsent  int       // their bytes
	ending  error     // the connection ends, with this, when all is sent

	timeouts *timeouts // nil: none were set
	framing  *framing  // nil: without Packets
	moving   *moving   // nil: it has not come from elsewhere, and goes nowhere

	open     bool // the last of sending is not given yet, and takes more bytes
	behind   bool // one was given, and not done in that turn
	full     bool // Write has returned ErrFull
	begun    bool // Opened was called
	detached bool
}

// moving is what a connection needs that is handed over.
type moving struct {
	first []byte                      // received before it joined
	out   func(*esock.Socket, []byte) // of HandOver
}

// out is the function of HandOver, nil for none.
func (c *Conn) out() func(*esock.Socket, []byte) {
	if c.moving == nil {
		return nil
	}
	return c.moving.out
}

// sending is a send, whose operation lies before its data, and before the address if there is one.
type sending struct {
	op     *loopcall.Op
	buffer int64 // the number of its buffer; -1: memory of its own
}

// headRoom is the room for an operation before its data.
const headRoom = 128

// Adopt gives a socket of any family to the loop: a connected one, or one of datagrams. On a socket of messages
// (datagrams, sequenced packets) each message is one call of Received, an empty one too, and is cut to the size of a
// buffer (Buffers). From has the sender of a datagram, and WriteTo answers it. Control messages are not received. While
// the loop has it, calls on it that send or receive return esock.ErrState. Errors: esock.ErrState while such calls are
// in progress; net.ErrClosed; ErrClosed; *esock.InvalidError, also for a listener.
//
// An error that the kernel reports ends the connection: ENOTCONN of a stream that is not connected, ECONNREFUSED of a
// connected socket of datagrams whose peer is not there.
func (l *Loop) Adopt(s *esock.Socket, h Handler) (*Conn, error) { return l.adopt(s, h, nil) }

func (l *Loop) adopt(s *esock.Socket, h Handler, unread []byte) (*Conn, error) {
	switch {
	case s == nil:
		return nil, &esock.InvalidError{What: "socket", Cause: "it is nil"}
	case h == nil:
		return nil, &esock.InvalidError{What: "handler", Cause: "it is nil"}
	}
	if on, _ := listens(s); on {
		return nil, &esock.InvalidError{What: "socket", Cause: "it listens: see Serve"}
	}
	c := &Conn{joined: joined{l: l, s: s}, h: h}
	if len(unread) > 0 {
		c.moving = &moving{first: unread}
	}
	if err := l.enlist(c); err != nil {
		return nil, err
	}
	return c, nil
}

// Loop returns the loop that has the connection, the last one after its end: for timers of the program's own, and to give
// the connection back after Detach. It is nil for a zero Conn.
func (c *Conn) Loop() *Loop {
	if !c.made() {
		return nil
	}
	return c.l
}

// Socket returns the socket. Its options, counters and names may be used. Its Close closes the connection at once;
// see Close. It is nil for a nil or zero connection, which is closed.
func (c *Conn) Socket() *esock.Socket {
	if c == nil {
		return nil
	}
	return c.s
}

// made reports whether the connection is one of a loop.
func (c *Conn) made() bool { return c != nil && c.l != nil }

// Post is that of the loop: f is called even if the connection has ended by then, and Write returns net.ErrClosed. A
// panic of f ends the connection, as one of its handler.
func (c *Conn) Post(f func()) bool { return c.made() && c.l.post(c, f) }

// Unsent returns how many bytes were written and not taken by the kernel yet.
func (c *Conn) Unsent() int {
	if c == nil {
		return 0
	}
	return c.unsent
}

// Write copies b, and sends it with the next turn of the loop, on a socket of messages as one, unless it is empty.
// Errors: ErrFull, and nothing is written; Writable is called when there is room again. net.ErrClosed.
//
// While less is unsent than Mark allows, b may have any length. Nothing is sent until the handler returns. So a handler
// that writes much at once gets ErrFull even if the peer reads, and goes on in Writable.
//
// On a socket of datagrams that is not connected, Write ends the connection with EDESTADDRREQ: see WriteTo.
func (c *Conn) Write(b []byte) (int, error) {
	if err := c.writes(); err != nil {
		return 0, err
	}
	return c.write(b)
}

// writes reports why nothing may be written.
func (c *Conn) writes() error {
	switch {
	case !c.made() || c.gone.Load() || c.ending != nil:
		return net.ErrClosed
	case c.held() >= c.l.mark:
		c.full = true
		return ErrFull
	}
	return nil
}

// held is what the mark limits: the unsent bytes, and the room for their operations.
func (c *Conn) held() int { return c.unsent + headRoom*len(c.sending) }

// write is Write, whatever is unsent.
func (c *Conn) write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if !c.open && c.begin(loopcall.Send, headRoom, len(rest)) == nil {
			return len(b) - len(rest), syscall.ENOMEM
		}
		s := &c.sending[len(c.sending)-1]
		room := int(c.l.size) - headRoom - int(s.op.Len)
		if s.buffer < 0 {
			room = len(rest)
			c.open = false
		}
		n := min(room, len(rest))
		copy(unsafe.Slice((*byte)(unsafe.Add(s.op.Buf, s.op.Len)), n), rest)
		s.op.Len += uintptr(n)
		c.unsent += n
		rest = rest[n:]
		if n == room {
			c.open = false
		}
	}
	if c.s.Type() != esock.Stream {
		c.open = false // the next Write is another message
	}
	c.wrote()
	return len(b), nil
}

// wrote stops the receiving if too much is unsent.
func (c *Conn) wrote() {
	if c.held() >= c.l.mark {
		c.pause()
	}
}

// begin begins a send of up to n bytes, which lie behind the head. The send is nil if there is no memory.
func (c *Conn) begin(kind uint8, head uintptr, n int) *loopcall.Op {
	l, b := c.l, c.l.buffers
	s := sending{buffer: -1}
	// A quarter of the buffers is for receiving, and what is larger than a buffer gets memory of its own.
	if b.Free > b.Count/4 && n <= int(b.Size)-int(head) {
		b.Free--
		s.buffer = int64(unsafe.Slice(b.Stack, b.Count)[b.Free])
		s.op = (*loopcall.Op)(unsafe.Add(b.Base, uintptr(s.buffer)*b.Size))
	} else if s.op = (*loopcall.Op)(loopcall.Alloc(head + uintptr(n))); s.op == nil {
		return nil
	}
	*s.op = loopcall.Op{Kind: kind, User: c.id, Buf: unsafe.Add(unsafe.Pointer(s.op), head)}
	if !c.behind && n > 0 { // how far an empty one is cannot be seen
		s.op.Flags = loopcall.Quiet
	}
	if len(c.sending) == 0 {
		c.timeouts.writing()
	}
	c.sending = append(c.sending, s)
	c.open = true
	l.given = append(l.given, order{&c.joined, c, s.op})
	return s.op
}

// free gives the memory of a send back.
func (c *Conn) free(s sending) {
	if s.buffer < 0 {
		loopcall.Release(unsafe.Pointer(s.op))
		return
	}
	c.l.putBack(uint32(s.buffer))
}

// putBack puts a buffer back.
func (l *Loop) putBack(i uint32) {
	unsafe.Slice(l.buffers.Stack, l.buffers.Count)[l.buffers.Free] = i
	l.buffers.Free++
}

// received gives a buffer back that a handler has had.
func (l *Loop) received(buffer uint32) {
	l.at.c = nil
	l.putBack(buffer)
}

// Close closes the connection when all that was written has been sent. Nothing more is received. To close it at once,
// and lose what is unsent, close the socket.
func (c *Conn) Close() { c.endWith(net.ErrClosed) }

// endWith ends the connection when all is sent.
func (c *Conn) endWith(err error) {
	if !c.made() || c.ending != nil || c.gone.Load() {
		return
	}
	c.ending = err
	if len(c.sending) == 0 {
		c.l.drop(c, err)
		return
	}
	c.pause()
}

var errUnhandled = fmt.Errorf("engine: received bytes are not handled: %w", esock.ErrState)

// Detach takes the connection out of the loop, with its socket, which is the caller's again. Closed is not called.
// Errors: esock.ErrState while bytes are unsent, or were received and the handler has not got them yet, which Post
// waits for; net.ErrClosed.
//
// A goroutine may have the socket then, for blocking calls such as those of a TLS handshake, and give it back with
// Adopt. Where the peer speaks next, as after STARTTLS, the goroutine also sends the answer: what a handler writes is
// unsent until it returns.
func (c *Conn) Detach() (*esock.Socket, error) {
	switch {
	case !c.made():
		return nil, net.ErrClosed
	case len(c.sending) > 0:
		return nil, fmt.Errorf("engine: %d bytes are unsent: %w", c.unsent, esock.ErrState)
	case c.moving != nil && len(c.moving.first) > 0 && !c.gone.Load():
		return nil, errUnhandled
	case !c.gone.Load() && slices.ContainsFunc(c.l.rest, func(r loopcall.Result) bool { return r.Op == c.op }):
		return nil, errUnhandled
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if !c.gone.Load() && c.ending == nil && c.l.keeps(c) {
		return nil, errUnhandled
	}
	if c.ending != nil || !c.takeOut() {
		return nil, net.ErrClosed
	}
	c.detached = true
	c.l.left = append(c.l.left, departure{c, nil})
	return c.s, nil
}

// pause stops receiving.
func (c *Conn) pause() {
	if c.paused || c.gone.Load() {
		return
	}
	c.paused = true
	c.l.mu.Lock()
	if !c.gone.Load() {
		loopcall.Cancel(c.l.q, c.op)
	}
	c.l.mu.Unlock()
}

// receive starts receiving.
func (c *Conn) receive() {
	c.paused = false
	c.again()
}

func (c *Conn) join() {
	c.op.Kind, c.op.Flags = loopcall.Recv, loopcall.Again
	if c.datagrams() {
		c.op.Kind = loopcall.RecvFrom
	}
	if c.ending == nil { // else it was closed with something unsent, before it joined
		c.receive()
		c.wrote()
	}
	c.tellOpened()
	c.tellUnread()
}

// tellOpened tells the handler of the connection.
func (c *Conn) tellOpened() {
	c.begun = true
	c.opened()
	if c.l.winding {
		c.tellStopping()
	}
}

func (c *Conn) opened() {
	defer c.l.returned(c)
	c.l.inside = true
	c.h.Opened(c)
	c.l.inside = false
}

func (c *Conn) result(r *loopcall.Result) {
	if r.Op != c.op {
		c.sent(r)
		return
	}
	if r.Flags&loopcall.HasBuffer != 0 {
		c.timeouts.received()
		c.received(r.Buffer, int(r.N))
	}
	switch {
	case r.Flags&loopcall.More != 0:
	case r.N == 0, r.N == -int64(syscall.ESHUTDOWN): // the latter of sequenced packets
		c.endWith(io.EOF)
	case c.op.Kind == loopcall.RecvFrom && c.ofPeer(syscall.Errno(-r.N)):
		c.receive()
	default:
		c.l.drop(c, &net.OpError{Op: "read", Net: "esock", Err: syscall.Errno(-r.N)})
	}
}

// received hands n bytes of a buffer to the handler.
func (c *Conn) received(buffer uint32, n int) {
	l := c.l
	defer l.received(buffer)
	if c.gone.Load() || c.ending != nil {
		return
	}
	defer l.returned(c)
	if c.op.Kind == loopcall.RecvFrom {
		l.at.c, l.at.from = c, unsafe.Add(l.buffers.Senders, uintptr(buffer)*unsafe.Sizeof(loopcall.Addr{}))
	}
	l.inside = true
	c.h.Received(c, unsafe.Slice((*byte)(unsafe.Add(l.buffers.Base, uintptr(buffer)*l.buffers.Size)), n))
	l.inside = false
}

// done takes a send off. It is sent, or has failed. It is the first, unless that is a datagram that has failed in the same turn.
func (c *Conn) done(op *loopcall.Op) {
	i := 0
	for c.sending[i].op != op {
		i++
	}
	s := c.sending[i]
	if i == len(c.sending)-1 {
		c.sending = c.sending[:i] // as usual: without a call that copies nothing
	} else {
		c.sending = append(c.sending[:i], c.sending[i+1:]...)
	}
	c.unsent -= int(s.op.Len)
	c.timeouts.sent()
	c.free(s)
}

// sent is the end of a send that was not done in the turn that it was given in, or has failed.
func (c *Conn) sent(r *loopcall.Result) {
	if c.gone.Load() {
		return
	}
	lost := r.Op.Kind == loopcall.SendTo // like one that the network has lost
	c.done(r.Op)
	c.behind = len(c.sending) > 0
	if r.N < 0 && !lost {
		c.l.drop(c, &net.OpError{Op: "write", Net: "esock", Err: syscall.Errno(-r.N)})
		return
	}
	c.ease()
}

// waits reports whether ease has something to do, or may have when more is sent.
func (c *Conn) waits() bool { return c.ending != nil || c.paused || c.full || c.out() != nil }

// ease does what has waited until fewer bytes were unsent.
func (c *Conn) ease() {
	switch {
	case c.gone.Load():
	case c.ending != nil:
		if len(c.sending) == 0 {
			c.l.drop(c, c.ending)
		}
	case c.held() < c.l.mark/2 || len(c.sending) == 0:
		if c.paused {
			c.receive()
		}
		if c.full {
			c.full = false
			c.writable()
		}
		resume(c)
	}
	c.tryOut()
}

func (c *Conn) writable() {
	defer c.l.returned(c)
	c.l.inside = true
	c.h.Writable(c)
	c.l.inside = false
}

func (c *Conn) ended(err error) {
	if c.timeouts != nil {
		c.timeouts.stop()
	}
	for _, s := range c.sending {
		c.free(s)
	}
	c.sending, c.unsent, c.open = nil, 0, false
	if c.detached {
		return
	}
	defer loopcall.Close(c.s)
	defer c.closed(err)
	if !c.begun {
		c.tellOpened()
	}
}

func (c *Conn) closed(err error) {
	defer c.l.returned(c)
	c.l.inside = true
	c.h.Closed(c, err)
	c.l.inside = false
}
