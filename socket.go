package esock

import (
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Socket is one socket. All methods may be called from any goroutine, Close at any time. Receives and accepts are
// served one at a time in order of arrival, and so are sends; on a datagram socket only those that have to wait. The two
// directions are independent. Open, Adopt and Accept make sockets. The zero and the nil Socket are closed.
//
// The caller must close the socket. The garbage collector closes one that is unreachable and neither registered, owned
// nor armed, and notes it in the trace of SocketDebug. Armed means that an asynchronous call waits for readiness. A
// queued call or one whose SelectMsg has come keeps the socket alive while its mailbox or handle is in use, and so
// does an owner that is in use. A context, or a wait that has ended, does not.
type Socket struct {
	state atomic.Uint64 // lane.go
	h     *handle       // the C handle: valid while a reference is held; nil once closed, guarded by mu
	block *cCounters    // its counters; once closed, a copy

	mu    sync.Mutex // guards the lanes and the fields that say so; never held over a system call on data
	lanes [2]lane
	blk   atomic.Pointer[blocking] // park.go; nil until a call parks; written with mu
	loop  any                      // the member that it is of the loop that serves it, nil if none does; guarded by mu
	ptr   unsafe.Pointer           // go-pointer's name of this socket, in the poller's events; nil until armed

	owner *Mailbox      // guarded by mu
	owned links[Socket] // in the owner's list; guarded by owner.mu
	entry links[Socket] // in the registry; guarded by the shard

	otp    atomic.Pointer[otpOptions] // nil: all at their defaults
	rare   atomic.Pointer[rareState]  // nil until needed
	id     uint64
	typ    Type
	shares bool // its quick calls share their lane: quick.go
	dom    atomic.Int32
	proto  int32 // a Protocol
	facts  atomic.Uint32

	forgotten *forgotten // what the garbage collector closes; nil if the socket was registered from the start
}

// rareState has the fields that few sockets need.
type rareState struct {
	errs     atomic.Pointer[lane] // of the error queue
	uncopied atomic.Pointer[zeroCopyBook]
	drained  chan struct{}    // closed when no call is inside any more
	sendfile *cSendfileCounts // once closed: the counters of sendfile
	adopted  *adoption        // nil unless Adopt made the socket
	relay    atomic.Pointer[relay]
}

// adoption is what an adopted socket remembers of its descriptor.
type adoption struct {
	fd   int    // as Adopt got it; -1: the socket is no duplicate of it
	lent uint64 // the cookie of a borrowed socket: cookieOf
}

// lent is the cookie of a borrowed socket, 0 for any other.
func (s *Socket) lent() uint64 {
	if r := s.rare.Load(); r != nil && r.adopted != nil {
		return r.adopted.lent
	}
	return 0
}

var lastID atomic.Uint64

// rarely returns the rare state, made when first needed.
func (s *Socket) rarely() *rareState {
	if r := s.rare.Load(); r != nil {
		return r
	}
	s.rare.CompareAndSwap(nil, new(rareState))
	return s.rare.Load()
}

// String returns "#Socket<n>", n from ID. OTP: socket:to_list/1.
func (s *Socket) String() string { return "#Socket<" + strconv.FormatUint(s.ID(), 10) + ">" }

// ID returns the number in String. It is never reused.
func (s *Socket) ID() uint64 { return s.orClosed().id }

// Domain returns the domain that the socket was opened with.
func (s *Socket) Domain() Domain { return Domain(s.orClosed().dom.Load()) }

// Type returns the type that the socket was opened with.
func (s *Socket) Type() Type { return s.orClosed().typ }

// Protocol returns the protocol, the kernel's choice if opened with Default.
func (s *Socket) Protocol() Protocol { return Protocol(s.orClosed().proto) }

// simple runs a call that does not wait.
func (s *Socket) simple(op string, f func(h *handle) int) error {
	s = s.orClosed()
	if err := s.ref(op); err != nil {
		return err
	}
	k := s.simulated()
	k.enter()
	r := f(s.h)
	s.unref()
	k.leave()
	var err error
	if r < 0 {
		err = s.fail(op, syscall.Errno(-r))
	}
	s.traceOp(op, max(r, 0), err)
	return err
}

// Bind assigns the socket's address. Any, Loopback and Broadcast stand for that address of the socket's family, with
// port 0. SockName returns the port that the kernel chose. OTP: socket:bind/2; bind(2).
func (s *Socket) Bind(a Addr) error {
	to, err := a.resolve(s.Domain())
	var c cAddr
	if err == nil {
		err = s.addrToC(&to, &c)
	}
	if err != nil {
		if s.Closed() { // a zero Socket has no domain to resolve the address for
			return s.fail("bind", net.ErrClosed)
		}
		return s.blame(s.fail("bind", err), &a)
	}
	if err = s.simple("bind", func(h *handle) int { return cBind(h, &c) }); err == nil {
		s.facts.Or(factBound)
		return nil
	}
	return s.blame(err, &to)
}

// Listen makes the socket accept connections. The kernel queues up to backlog of them, which must not be negative.
// OTP: socket:listen/2; listen(2).
func (s *Socket) Listen(backlog int) error {
	if backlog < 0 || backlog > 1<<30 {
		return s.fail("listen", &InvalidError{What: "backlog", Value: backlog})
	}
	err := s.simple("listen", func(h *handle) int { return cListen(h, backlog) })
	if err == nil {
		s.facts.Or(factListening)
		if s.Domain() != Local { // TCP listens again after Shutdown(ShutRead); a unix socket stays shut
			s.facts.And(^(factShutRead | factReadEnded))
		}
	}
	return s.blameName(err)
}

// Accept takes a connection. The mailbox of the call (asynchronous, or As), if there is one, owns the new socket, which
// inherits this one's options of level otp except meta, and is registered if this one is. If the mailbox closes
// meanwhile, the connection is closed and the call returns *InvalidError "owner". Other errors are those of
// accept4(2), unchanged: EMFILE, ECONNABORTED, EINVAL. OTP: socket:accept/1,2.
func (s *Socket) Accept(w Wait) (*Socket, error) {
	c := call{op: OpAccept}
	return s.orClosed().accept(&c, &w)
}

func (s *Socket) accept(c *call, w *Wait) (*Socket, error) {
	_, err := s.do(c, w)
	if err != nil {
		return nil, err
	}
	return s.acceptedBy(c, s.requester(w))
}

// acceptedBy makes the socket that an accept took, which owner, if there is one, owns.
func (s *Socket) acceptedBy(c *call, owner *Mailbox) (*Socket, error) {
	n := newSocket(c.accepted, s.Domain(), s.typ, Protocol(s.proto), factConnected, s.inherited())
	if !n.settleIn("accept", s.registered(), owner) {
		n.close(nil, false)
		return nil, s.fail("accept", errOwnerClosed)
	}
	return n, nil
}

// inherited are the options of level otp that an accepted socket gets from its listener.
func (s *Socket) inherited() *otpOptions {
	o := s.otp.Load()
	if o == nil || o.meta == nil {
		return o
	}
	inherited := *o
	inherited.meta = nil
	return &inherited
}

// Connect connects to an address. On a datagram socket it sets the peer, and RawAddr(Unspec, nil) removes it. After a
// Select, call Connect again (it ignores the address) or FinishConnect.
//
// After a failure or a timeout the kernel's attempt may be in any state: close the socket and open another. A unix
// listener with a full backlog gives EAGAIN, and nothing reports when to retry. Errors: ErrAlready, ErrState,
// ErrTimeout; EISCONN for a connected stream; those of connect(2). OTP: socket:connect/2,3.
func (s *Socket) Connect(a Addr, w Wait) error {
	s = s.orClosed()
	x := scratches.Get().(*scratch)
	defer x.free()
	if err := s.addrToC(&a, &x.addr); err != nil {
		return s.answer(OpConnect, &w, err)
	}
	c := call{op: OpConnect, addr: &x.addr}
	err := s.connect(&c, &w)
	if c.to != nil {
		return s.blame(err, c.to)
	}
	return s.blame(err, &a)
}

// keepAddr makes h hold the address of the connect that waits, for the errors of the call that goes on with it. s.mu is held.
func (h *Handle) keepAddr(c *call) {
	if c.op != OpConnect {
		return
	}
	if c.to == nil && c.addr != nil {
		to := addrFromC(c.addr, Addr{})
		c.to = &to
	}
	h.extend().to = c.to
}

// FinishConnect completes a connect for which the same mailbox got a Select. It returns nil once connected, a *Select
// while the attempt goes on, or the attempt's error. OTP: socket:connect/1.
func (s *Socket) FinishConnect(w Wait) error {
	s = s.orClosed()
	c := call{op: OpConnect, finish: true}
	return s.blameIn(s.connect(&c, &w), c.to)
}

// blameIn is blame, if there is an address.
func (s *Socket) blameIn(err error, to *Addr) error {
	if to == nil {
		return err
	}
	return s.blame(err, to)
}

func (s *Socket) connect(c *call, w *Wait) error {
	_, err := s.do(c, w)
	return s.connected(err)
}

// connected notes how a connect ended, or that it goes on, and returns its error.
func (s *Socket) connected(err error) error {
	switch {
	case err == nil:
		s.facts.Or(factConnected)
		return nil
	case err == ErrTimeout:
		err = &Error{Op: "connect", Socket: s, Reason: errConnectTimeout{}}
	}
	s.facts.Or(factTried)
	return err
}

// How selects the directions that Shutdown ends.
type How int

// The directions of shutdown(2).
const (
	ShutRead      How = syscall.SHUT_RD
	ShutWrite     How = syscall.SHUT_WR
	ShutReadWrite How = syscall.SHUT_RDWR
)

// Shutdown ends one direction or both. After ShutRead, data that has arrived or still arrives is delivered, then the
// end of the stream. Waiting calls of the direction end, in every family: a receive with io.EOF, a send with EPIPE, an
// accept with EINVAL. A wait for the error queue goes on. Errors: ENOTCONN; *InvalidError "how". OTP:
// socket:shutdown/2; shutdown(2).
func (s *Socket) Shutdown(how How) error {
	s = s.orClosed()
	if how < ShutRead || how > ShutReadWrite {
		return s.fail("shutdown", &InvalidError{What: "how", Value: int(how)})
	}
	var shut, ended uint32
	if how != ShutWrite {
		shut, ended = factShutRead, factReadEnded
	}
	// Linux has no end of writing for a listener that is no unix socket: inet_shutdown does nothing, or ends listening.
	if how != ShutRead && (s.facts.Load()&factListening == 0 || s.Domain() == Local) {
		shut, ended = shut|factShutWrite, ended|factWriteEnded
	}
	// Set first, because the reader that the kernel wakes must find it: no other wake-up follows.
	s.facts.Or(shut)
	err := s.simple("shutdown", func(h *handle) int { return cShutdown(h, int(how)) })
	// Linux shuts an unconnected datagram socket, but returns ENOTCONN.
	if err != nil && (s.typ == Stream || !errors.Is(err, syscall.ENOTCONN)) {
		s.notShut(shut)
	} else {
		s.facts.Or(shut | ended)
	}
	s.tellShut(how)
	return err
}

// notShut clears the facts of a Shutdown that failed, except for a direction that is shut for certain.
func (s *Socket) notShut(shut uint32) {
	for {
		f := s.facts.Load()
		drop := shut
		if f&factReadEnded != 0 {
			drop &^= factShutRead
		}
		if f&factWriteEnded != 0 {
			drop &^= factShutWrite
		}
		if s.facts.CompareAndSwap(f, f&^drop) {
			return
		}
	}
}

// SockName returns the local address. OTP: socket:sockname/1; getsockname(2).
func (s *Socket) SockName() (Addr, error) { return s.name("sockname", cSockName) }

// PeerName returns the address that the socket is connected to. Errors: ENOTCONN. OTP: socket:peername/1;
// getpeername(2).
func (s *Socket) PeerName() (Addr, error) { return s.name("peername", cPeerName) }

func (s *Socket) name(op string, get func(*handle, *cAddr) int) (Addr, error) {
	x := scratches.Get().(*scratch)
	defer x.free()
	if err := s.simple(op, func(h *handle) int { return get(h, &x.addr) }); err != nil {
		return Addr{}, err
	}
	return addrFromC(&x.addr, Addr{}), nil
}

// Error says which operation failed, on which socket, and why.
//
// Reason is a syscall.Errno, net.ErrClosed (closed by this process), context.Canceled, an *InvalidError or another
// error of this package; errors.Is sees through to it. Two results are returned bare, because callers compare them:
// io.EOF (the peer has sent everything) and ErrTimeout.
type Error struct {
	Op     string  // the operation, by OTP's name: "recv", "setopt"; one that OTP lacks, by its method's: "adopt", "zero_copy"
	Socket *Socket // nil when there is none (open)
	Reason error
	object string // what the operation was about, for the text: "to 127.0.0.1:80"
	cause  string // of an Errno, for the text
}

func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	s := "esock: " + e.Op
	if e.Socket != nil {
		s += " on " + e.Socket.String()
	}
	if e.object != "" {
		s += " " + e.object
	}
	if e.Reason == nil {
		return s
	}
	s += ": " + e.Reason.Error()
	if e.cause != "" {
		s += ": " + e.cause
	}
	return s
}

func (e *Error) Unwrap() error { return orZero(e).Reason }

func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Unwrap(), &t) && t.Timeout()
}

// fail wraps the reason of a failed operation. Select values, time-outs and ends of stream pass bare.
func (s *Socket) fail(op string, err error) error {
	cause := ""
	switch e := err.(type) {
	case *Select, *Completion, timeoutError, *Error:
		return err
	case syscall.Errno:
		cause = s.causeOf(op, e)
	case *explainedErrno:
		err, cause = e.errno, e.cause
	}
	if err == io.EOF {
		return err
	}
	return &Error{Op: op, Socket: s, Reason: err, cause: cause}
}

// failAs is fail for the error of a partial operation, whose own name it replaces.
func (s *Socket) failAs(op string, err error) error {
	if e, ok := err.(*Error); ok && e != nil {
		err = e.Reason
	}
	return s.fail(op, err)
}
