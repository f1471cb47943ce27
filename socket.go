package esock

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Socket is one socket. Any method may be called from any goroutine: receives and accepts go one at a time, in the order
// they came, and so do sends; the two directions do not meet. Close may be called at any time.
//
// Open, Adopt and Accept make one: the zero Socket, and nil, are closed.
//
// Closing is the caller's duty. A socket that is registered, owned or armed stays; one that is none of
// these and is forgotten is closed by the garbage collector, with a word to the trace of SocketDebug. Armed means that an asynchronous call waits for readiness. One that
// is queued, or whose SelectMsg has come, keeps the socket for as long as its mailbox or its handle is in use, and an owner
// does as long as it is. A context does not, nor does what once waited.
type Socket struct {
	state atomic.Uint64 // lane.go
	h     *handle       // the C handle: valid while a reference is held; nil once closed, guarded by mu
	block *cCounters    // its counters

	mu    sync.Mutex // guards the lanes and what says so; never held over a system call on data
	lanes [2]lane
	blk   *blocking      // park.go; nil until a call parks
	ptr   unsafe.Pointer // what the poller carries: go-pointer's name of this socket; nil until armed

	owner            *Mailbox // guarded by mu
	ownPrev, ownNext *Socket  // guarded by owner.mu
	regPrev, regNext *Socket  // guarded by the registry's shard

	otp   atomic.Pointer[otpOptions] // nil: all at their defaults
	rare  atomic.Pointer[rareState]  // nil until needed
	id    uint64
	typ   Type
	dom   atomic.Int32
	proto Protocol
	facts atomic.Uint32
}

// rareState is what few sockets need, or only in their last moment.
type rareState struct {
	errs      lane // of the error queue; guarded by mu
	uncopied  atomic.Pointer[zeroCopyBook]
	drained   chan struct{} // closed when nobody is inside any more
	cleanup   runtime.Cleanup
	forgotten *forgotten      // the cleanup's
	final     cCounters       // once closed
	sendfile  cSendfileCounts // once closed
	hasFiles  bool            // sendfile is set
	fromFD    int             // what an adopted socket was made of
	lent      uint64          // and, if that is not ours, the kernel's name of the socket that it was then
	relay     atomic.Pointer[relay]
}

// What has been seen of a socket.
const (
	factBound uint32 = 1 << iota
	factListening
	factConnected
	factSelectedRead
	factSelectedWrite
	factShutRead
	factShutWrite
	factFromFD     // adopted
	factBorrowed   // adopted without dup: the descriptor is not ours to close
	factRegistered // uses the registry
	factClosed     // the descriptor is gone
	factMonitored  // has, or had, a monitor
	factFiles      // SendFile was called: there may be counters for it
	factAccepting  // had a current acceptor when it was closed
	factConnecting // and a connect in progress
	factReadEnded  // reading is shut for certain, and not only perhaps: see Shutdown
	factWriteEnded // and writing
	factUnmade     // adopted, and the descriptor goes back to the caller: nobody has the socket
	factLayered    // a layer above holds locks while it uses the socket
)

var lastID atomic.Uint64

// rarely is the rare state, made when it is first needed.
func (s *Socket) rarely() *rareState {
	if r := s.rare.Load(); r != nil {
		return r
	}
	s.rare.CompareAndSwap(nil, new(rareState))
	return s.rare.Load()
}

// String is "#Socket<n>", n counting the sockets of the process. OTP: socket:to_list/1.
func (s *Socket) String() string { return "#Socket<" + strconv.FormatUint(s.ID(), 10) + ">" }

// ID is the number in String. It is never used again.
func (s *Socket) ID() uint64 { return s.orClosed().id }

// Domain, Type and Protocol are what the socket was opened as.
func (s *Socket) Domain() Domain { return Domain(s.orClosed().dom.Load()) }

// Type is the socket's type; see Domain.
func (s *Socket) Type() Type { return s.orClosed().typ }

// Protocol is the socket's protocol, the kernel's choice when it was opened with Default.
func (s *Socket) Protocol() Protocol { return s.orClosed().proto }

// simple runs a call that waits for nothing.
func (s *Socket) simple(op string, f func(h *handle) int) error {
	s = s.orClosed()
	if err := s.ref(op); err != nil {
		return err
	}
	r := f(s.h)
	s.unref()
	var err error
	if r < 0 {
		err = s.fail(op, syscall.Errno(-r))
	}
	s.traceOp(op, max(r, 0), err)
	return err
}

// Bind gives the socket its address; Any, Loopback and Broadcast stand for those of its family, port 0. SockName
// tells the port that the kernel chose. OTP: socket:bind/2; bind(2).
func (s *Socket) Bind(a Addr) error {
	a, err := a.resolve(s.Domain())
	var c cAddr
	if err == nil {
		err = s.addrToC(&a, &c)
	}
	if err != nil {
		return s.fail("bind", err)
	}
	if err = s.simple("bind", func(h *handle) int { return cBind(h, &c) }); err == nil {
		s.facts.Or(factBound)
	}
	return err
}

// Listen makes the socket take connections; the kernel keeps up to backlog of them until they are accepted. A negative
// backlog is refused. OTP: socket:listen/2; listen(2).
func (s *Socket) Listen(backlog int) error {
	if backlog < 0 || backlog > 1<<30 {
		return s.fail("listen", &InvalidError{What: "backlog", Value: backlog})
	}
	err := s.simple("listen", func(h *handle) int { return cListen(h, backlog) })
	if err == nil {
		s.facts.Or(factListening)
	}
	return err
}

// Accept takes a connection. The new socket is owned by the asynchronous caller's mailbox, else by nobody; it
// has this one's options of level otp, but not its meta, and is registered if this one is. Errors of accept4(2) are passed on
// as they are: EMFILE and ECONNABORTED are the caller's to judge; EINVAL says that the socket does not listen, or no
// longer, because somebody has shut its reading. When the mailbox is closed while the call takes a connection, the connection
// is closed, as its owner would have done, and the answer is *InvalidError "owner". OTP: socket:accept/2.
func (s *Socket) Accept(w Wait) (*Socket, error) {
	s = s.orClosed()
	c := call{op: OpAccept}
	_, err := s.do(&c, &w)
	if err != nil {
		return nil, err
	}
	o := s.otp.Load()
	if o != nil && o.meta != nil {
		inherited := *o
		inherited.meta = nil
		o = &inherited
	}
	n := newSocket(c.accepted, factConnected, o)
	if !n.settleIn("accept", s.registered(), w.requester()) {
		n.close(nil, false)
		return nil, s.fail("accept", errOwnerClosed)
	}
	return n, nil
}

// Connect connects to an address; of a datagram socket it sets the peer, and RawAddr(Unspec, nil) dissolves that. A Select
// is answered by Connect again, the address then being ignored, or by FinishConnect.
//
// After a failure or a time-out the kernel's attempt may be in any state: close the socket and open
// another. A unix listener whose backlog is full is EAGAIN, and nothing tells when it would work.
// Errors: ErrAlready, ErrState, ErrTimeout; EISCONN for a stream that is connected; the others of connect(2). OTP:
// socket:connect/2,3.
func (s *Socket) Connect(a Addr, w Wait) error {
	s = s.orClosed()
	x := scratches.Get().(*scratch)
	defer x.free()
	if err := s.addrToC(&a, &x.addr); err != nil {
		return s.answer(OpConnect, &w, err)
	}
	return s.connect(&call{op: OpConnect, addr: &x.addr}, &w)
}

// FinishConnect finishes the connect that a Select, with the same mailbox, began: nil once connected, a *Select when it is
// still under way, or why it failed. OTP: socket:connect/1.
func (s *Socket) FinishConnect(w Wait) error {
	s = s.orClosed()
	return s.connect(&call{op: OpConnect, finish: true}, &w)
}

func (s *Socket) connect(c *call, w *Wait) error {
	_, err := s.do(c, w)
	switch {
	case err == nil:
		s.facts.Or(factConnected)
	case err == ErrTimeout:
		return &Error{Op: "connect", Socket: s, Reason: errConnectTimeout{}}
	}
	return err
}

// How says which directions Shutdown ends.
type How int

// The directions of shutdown(2).
const (
	ShutRead      How = syscall.SHUT_RD
	ShutWrite     How = syscall.SHUT_WR
	ShutReadWrite How = syscall.SHUT_RDWR
)

// Shutdown ends one direction, or both. Data that has arrived, or still arrives, is delivered after ShutRead;
// then comes the end. Calls that wait in a direction that ends are told, in every family: a receive gets io.EOF, a send
// EPIPE, an accept EINVAL. A wait for the error queue goes on. Errors: ENOTCONN; *InvalidError "how". OTP: socket:shutdown/2; shutdown(2).
func (s *Socket) Shutdown(how How) error {
	s = s.orClosed()
	if how < ShutRead || how > ShutReadWrite {
		return s.fail("shutdown", &InvalidError{What: "how", Value: int(how)})
	}
	var shut, ended uint32
	if how != ShutWrite {
		shut, ended = factShutRead, factReadEnded
	}
	if how != ShutRead {
		shut, ended = shut|factShutWrite, ended|factWriteEnded
	}
	// Noted first: the reader that the kernel wakes must find it, because no other wake-up follows.
	s.facts.Or(shut)
	err := s.simple("shutdown", func(h *handle) int { return cShutdown(h, int(how)) })
	// A datagram socket that is not connected is shut although the kernel says it is not connected.
	if err != nil && (s.typ == Stream || !errors.Is(err, syscall.ENOTCONN)) {
		s.notShut(shut)
	} else {
		s.facts.Or(shut | ended)
	}
	s.tellShut(how)
	return err
}

// notShut takes the note of a Shutdown that failed back, but nothing that somebody else has found to be so.
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

// SockName is the address the socket is bound to. OTP: socket:sockname/1; getsockname(2).
func (s *Socket) SockName() (Addr, error) { return s.name("sockname", cSockName) }

// PeerName is the address the socket is connected to. Errors: ENOTCONN. OTP: socket:peername/1; getpeername(2).
func (s *Socket) PeerName() (Addr, error) { return s.name("peername", cPeerName) }

func (s *Socket) name(op string, get func(*handle, *cAddr) int) (Addr, error) {
	var c cAddr
	if err := s.simple(op, func(h *handle) int { return get(h, &c) }); err != nil {
		return Addr{}, err
	}
	return addrFromC(&c, Addr{}), nil
}

// Close closes the socket. Whoever waits on it is told: blocking calls return net.ErrClosed, handles get an AbortMsg with
// it. With {socket, linger} on and unsent data, Close waits for as long as that says. Errors: net.ErrClosed if it was
// closed before; those of close(2), after which it is closed all the same. OTP: socket:close/1.
func (s *Socket) Close() error { return s.close(nil, true) }

// closeFor is the death of the owner: nobody waits for unsent data. It does nothing if the owner is another by now.
func (s *Socket) closeFor(owner *Mailbox) { s.close(owner, false) }

// close closes the socket, if owner is nil or owns it, and waits for unsent data if linger says so.
func (s *Socket) close(owner *Mailbox, linger bool) error {
	s = s.orClosed()
	s.mu.Lock()
	if s.closing() || owner != nil && s.owner != owner {
		s.mu.Unlock()
		return s.fail("close", net.ErrClosed)
	}
	inside := s.beginClose()
	s.mu.Unlock()
	return s.finishClose(inside, linger)
}

// beginClose ends all that waits, and keeps others out. It says whether somebody is inside. s.mu is held.
func (s *Socket) beginClose() (inside bool) {
	rare := s.rarely()
	s.keepStates()
	if inside = s.state.And(^stOpen) >= stRef; inside {
		rare.drained = newChannel(0)
	}
	for d := reading; d <= s.lastLane(); d++ {
		s.abortAll(d)
		s.wake(d)
	}
	return inside
}

// finishClose is the rest of close.
func (s *Socket) finishClose(inside, linger bool) error {
	rare := s.rarely()
	if inside {
		s.awaitDrained(rare.drained)
	}

	// Nobody is inside any more, and nobody comes.
	s.deregister()
	rare.cleanup.Stop()
	var how uint
	switch f := s.facts.Load(); {
	case f&factUnmade != 0:
		how = closeGiveBack
	case !linger && f&factBorrowed == 0:
		cNoLinger(s.h)
	}
	s.mu.Lock()
	h, blk := s.h, s.blk
	s.blk = nil
	if blk != nil {
		for d := range blk.parks {
			blk.parks[d].drop()
		}
	}
	s.mu.Unlock()
	gauges.add(s, -1)

	// What was in progress, and nobody continued, has ended. The counters have moved for the last time: Info and
	// Counters read them here from now on.
	s.mu.Lock()
	s.endRequest(reading)
	s.endRequest(writing)
	rare.final = *s.block
	if b := cSendfileCountersOf(h); b != nil {
		rare.sendfile, rare.hasFiles = *b, true
	}
	s.h, s.block = nil, &rare.final
	s.mu.Unlock()

	if s.facts.Load()&factBorrowed != 0 && cookieOf(h) != rare.lent {
		cDisown(h) // the number is another's by now: its flags stay
	}

	// The descriptor has one owner: the File, once there is one. Only the core can wait for linger without being
	// disturbed by the runtime's signals.
	var err error
	var file *os.File
	if blk != nil {
		file = blk.file
	}
	if !rare.uncopied.Load().outlive(h, file, s.facts.Load(), linger) {
		if file != nil {
			cReclaim(h)
			err = fileError(file.Close())
		}
		if r := cClose(h, how, nil, nil); r < 0 {
			err = syscall.Errno(-r)
		}
	}
	s.mu.Lock()
	if s.owner != nil {
		s.owner.disown(s)
		s.owner = nil
	}
	s.facts.Or(factClosed)
	s.mu.Unlock()
	s.dropMeta()
	registry.remove(s)
	monitors.down(s)
	s.traceOp("close", 0, err)
	if err != nil {
		return s.fail("close", err)
	}
	return nil
}

// fileError is the errno in what os.File.Close returns.
func fileError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Closed reports whether the socket is closed, or closing.
func (s *Socket) Closed() bool { return s.orClosed().closing() }

// Owner is the mailbox that owns the socket, nil if none does.
func (s *Socket) Owner() *Mailbox {
	s = s.orClosed()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner
}

// ControllingProcess gives the socket another owner; from must be the present one, nil if there is none, and so
// may to. A closed mailbox as the new owner is an owner that dies at once: the socket is closed. Calls in progress
// stay with who made them. Errors: *InvalidError "not_owner", which says whether there is another owner or none; net.ErrClosed. OTP: {otp, controlling_process}.
func (s *Socket) ControllingProcess(from, to *Mailbox) error {
	s = s.orClosed()
	const op = "controlling_process"
	s.mu.Lock()
	switch {
	case s.closing():
		s.mu.Unlock()
		return s.fail(op, net.ErrClosed)
	case s.owner != from:
		cause := "the socket has another owner"
		if s.owner == nil {
			cause = "the socket has no owner"
		}
		s.mu.Unlock()
		return s.fail(op, &InvalidError{What: "not_owner", Cause: cause})
	}
	if from != nil {
		from.disown(s)
	}
	s.owner = nil
	alive := true
	if to != nil {
		if alive = to.own(s); alive {
			s.owner = to
		}
	}
	if alive {
		s.mu.Unlock()
		return nil
	}
	inside := s.beginClose() // nobody else can become the owner of what is closed
	s.mu.Unlock()
	_ = s.finishClose(inside, false)
	return nil
}

// Error is what an operation on a socket returns when it fails: which operation, on which socket, and why.
//
// errors.Is sees through it: Reason is a syscall.Errno, net.ErrClosed (closed here), context.Canceled, an
// *InvalidError, or one of this package's errors. Two results are returned bare, because readers compare them:
// io.EOF (the peer has sent everything) and ErrTimeout.
type Error struct {
	Op     string  // the operation, by OTP's name: "recv", "setopt"; what OTP has not, by the method's: "adopt", "zero_copy"
	Socket *Socket // nil when there is none (open)
	Reason error
}

func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	s := "esock: " + e.Op
	if e.Socket != nil {
		s += " on " + e.Socket.String()
	}
	if e.Reason == nil {
		return s
	}
	return s + ": " + e.Reason.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return orZero(e).Reason }

// Timeout reports whether the operation ran out of time, as net.Error asks.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Unwrap(), &t) && t.Timeout()
}

// fail wraps the reason of a failed operation. Select values, time-outs and ends of stream pass bare.
func (s *Socket) fail(op string, err error) error {
	switch err.(type) {
	case *Select, timeoutError, *Error:
		return err
	}
	if err == io.EOF {
		return err
	}
	return &Error{Op: op, Socket: s, Reason: err}
}

// failAs is fail with an error of a part of the operation, which has a name of its own.
func (s *Socket) failAs(op string, err error) error {
	if e, ok := err.(*Error); ok {
		err = e.Reason
	}
	return s.fail(op, err)
}
