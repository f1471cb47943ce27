package esock

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock/internal/ctext"
	"github.com/esock-go/esock/internal/plain"
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
)

func (d direction) selectedFact() uint32 {
	switch d {
	case reading:
		return factSelectedRead
	case writing:
		return factSelectedWrite
	}
	return 0
}

var lastID atomic.Uint64

// OpenOption changes how Open and Adopt make a socket. One that is not for the function it is given to is refused.
type OpenOption func(*openConfig)

type openConfig struct {
	adopts   bool   // Adopt's
	misfit   string // an option that is not for the function
	netns    string
	owner    *Mailbox
	debug    *bool
	registry *bool
	adopt    uint // how Adopt uses the descriptor
	way      string
	fd       int
	domain   int
	typ      int
	proto    int
}

// openOption is an option that set carries out, or nothing where there is nothing to change.
func openOption(set func(c *openConfig)) OpenOption {
	return func(c *openConfig) {
		if c != nil {
			set(c)
		}
	}
}

// adoptOption is an option of Adopt's.
func adoptOption(name string, set func(c *openConfig)) OpenOption {
	return openOption(func(c *openConfig) {
		if !c.adopts {
			c.misfit = name + " is for Adopt"
		}
		set(c)
	})
}

// NetNS opens the socket in the network namespace that the file at path names, "/run/netns/blue". It needs
// CAP_SYS_ADMIN and /proc. The empty path is the namespace of the caller. It is not for Adopt: a descriptor is in its
// namespace already. Errors: *InvalidError "netns" for a file that is no network namespace, and is not opened to find out; a
// *fs.PathError, with the path and the system's reason, for one that cannot be found or entered. OTP: the netns key; setns(2).
func NetNS(path string) OpenOption {
	return openOption(func(c *openConfig) {
		if c.netns = path; c.adopts && path != "" {
			c.misfit = "NetNS is for Open: a descriptor is in a namespace already"
		}
	})
}

// Owner makes mb own the socket from the start: when mb is closed, so is the socket. OTP: the calling process.
func Owner(mb *Mailbox) OpenOption { return openOption(func(c *openConfig) { c.owner = mb }) }

// Debug switches the socket's trace on or off. OTP: the debug key.
func Debug(on bool) OpenOption { return openOption(func(c *openConfig) { c.debug = &on }) }

// Registered says whether the socket enters the registry, whatever UseRegistry says. OTP: the use_registry key.
func Registered(on bool) OpenOption { return openOption(func(c *openConfig) { c.registry = &on }) }

// NoDup makes Adopt work on the descriptor itself: closing the socket gives it back, with the flags it had.
// OTP: dup => false.
// Whether it is close-on-exec does not change.
func NoDup() OpenOption { return adoptWay("NoDup", 0) }

// TakeFD makes Adopt work on the descriptor itself and close it with the socket. It becomes close-on-exec, as every
// descriptor that esock has is. After an error it is still the caller's, as it was.
func TakeFD() OpenOption { return adoptWay("TakeFD", adoptTake) }

func adoptWay(name string, adopt uint) OpenOption {
	return adoptOption(name, func(c *openConfig) {
		if c.way != "" && c.way != name && c.misfit == "" {
			c.misfit = "NoDup and TakeFD exclude each other"
		}
		c.way, c.adopt = name, adopt
	})
}

// KnownAs tells Adopt what the descriptor is, where the kernel does not say; a negative number leaves that open.
func KnownAs(d Domain, t Type, p Protocol) OpenOption {
	return adoptOption("KnownAs", func(c *openConfig) {
		if !plain.FitsCInt(int64(d)) || !plain.FitsCInt(int64(t)) || !plain.FitsCInt(int64(p)) {
			c.misfit = "KnownAs takes C ints"
		}
		c.domain, c.typ, c.proto = int(d), int(t), int(p)
	})
}

// apply does what the options say.
func (c *openConfig) apply(opts []OpenOption) error {
	for i, o := range opts {
		if o == nil {
			return &InvalidError{What: "options", Cause: "option " + strconv.Itoa(i+1) + " is nil"}
		}
		o(c)
	}
	if c.misfit != "" {
		return &InvalidError{What: "options", Cause: c.misfit}
	}
	return nil
}

// Open opens a socket. Protocol 0 (Default) lets the kernel choose; Protocol() then tells which. Errors: those of
// socket(2) as syscall.Errno, *InvalidError. OTP: socket:open/2,3,4.
func Open(d Domain, t Type, p Protocol, opts ...OpenOption) (*Socket, error) {
	cfg := openConfig{}
	if err := cfg.apply(opts); err != nil {
		return nil, cfg.fail(err)
	}
	switch {
	case !plain.FitsCInt(int64(d)):
		return nil, cfg.fail(&InvalidError{What: "domain", Value: int(d)})
	case t == RDM: // it can be reported, but OTP opens none
		return nil, cfg.fail(&InvalidError{What: "type", Value: t})
	case t < 0 || t > 0xf: // the rest are flags, and the core's to set
		return nil, cfg.fail(&InvalidError{What: "type", Value: int(t)})
	case !plain.FitsCInt(int64(p)):
		return nil, cfg.fail(&InvalidError{What: "protocol", Value: int(p)})
	}
	if cause := ctext.Cause(cfg.netns); cause != "" {
		return nil, cfg.fail(&InvalidError{What: "netns", Value: cfg.netns, Cause: cause})
	}
	if err := cfg.checkOwner(); err != nil {
		return nil, err
	}
	var h *handle
	var err error
	if cfg.netns == "" {
		var r int
		h, r = cOpen(int(d), int(t), int(p))
		err = errnoOf(r)
	} else {
		h, err = openIn(cfg.netns, int(d), int(t), int(p))
	}
	if err != nil {
		return nil, cfg.fail(err)
	}
	return finishOpen(h, 0, &cfg)
}

var errOwnerClosed = &InvalidError{What: "owner", Cause: "its mailbox is closed"}

// checkOwner refuses an owner that is dead before anything is made.
func (c *openConfig) checkOwner() error {
	if c.owner != nil && c.owner.Closed() {
		return c.fail(errOwnerClosed)
	}
	return nil
}

// op is the operation, as errors name it.
func (c *openConfig) op() string {
	if c.adopts {
		return "adopt"
	}
	return "open"
}

func (c *openConfig) fail(err error) error { return &Error{Op: c.op(), Reason: err} }

// openIn opens a socket in another network namespace, on a thread of its own: if the thread cannot be brought
// back, it ends with its goroutine.
func openIn(path string, d, t, p int) (h *handle, err error) {
	var fault uint32
	var r int
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if h, fault, r = cOpenNetns(path, d, t, p); fault != netnsLost {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return h, netnsError(path, fault, errnoOf(r))
}

// netnsError is why no socket was opened in the namespace: err, about what the core says is at fault.
func netnsError(path string, fault uint32, err error) error {
	errno, failed := err.(syscall.Errno)
	switch {
	case !failed || fault == netnsSocket:
		return err
	case fault == netnsProc:
		return &os.PathError{Op: "netns", Path: "/proc/thread-self", Err: err}
	case fault == netnsLost:
		err = &explainedErrno{errno, "the thread could not be brought back, and is ended"}
	case errno == syscall.EINVAL:
		return &InvalidError{What: "netns", Value: path, Cause: "the file is no network namespace"}
	case errno == syscall.EPERM:
		err = &explainedErrno{errno, "it needs CAP_SYS_ADMIN"}
	}
	return &os.PathError{Op: "netns", Path: path, Err: err}
}

// Adopt makes a socket of a descriptor that exists already. It works on a duplicate, unless NoDup or TakeFD is given. The
// descriptor becomes nonblocking, for everybody who shares its description. Domain, type and protocol are asked of the
// kernel, then taken from KnownAs; whether it is bound, listens or is connected, too, for Info.
//
// Whoever shares the description may make it blocking again. So that this holds up no call here, the first Accept, Connect or
// SendFile sets SO_RCVTIMEO and SO_SNDTIMEO to 20 ms where they are 0, and Close sets those to 0 again: meanwhile a blocking call
// of others ends after 20 ms with EAGAIN.
//
// Errors: EBADF for no descriptor, ENOTSOCK for one of a file or the like, *InvalidError
// "options" when neither the kernel nor the caller says what the socket is, or an option is not for Adopt; *InvalidError
// "owner" when the owner is closed, also while Adopt runs; those of fcntl(2). After an error the descriptor is the caller's,
// open, and as it was. OTP: socket:open/1,2.
func Adopt(fd int, opts ...OpenOption) (*Socket, error) {
	cfg := openConfig{adopts: true, adopt: adoptDup, fd: fd, domain: -1, typ: -1, proto: -1}
	if err := cfg.apply(opts); err != nil {
		return nil, cfg.fail(err)
	}
	if !plain.FitsCInt(int64(fd)) {
		return nil, cfg.fail(syscall.EBADF)
	}
	if err := cfg.checkOwner(); err != nil {
		return nil, err
	}
	facts := factFromFD
	if cfg.adopt == 0 {
		facts |= factBorrowed
	}
	h, missing, r := cAdopt(fd, cfg.adopt, cfg.domain, cfg.typ, cfg.proto)
	if r < 0 {
		if missing != "" {
			return nil, cfg.fail(&InvalidError{What: "options", Value: missing,
				Cause: "the kernel does not tell it of descriptor " + strconv.Itoa(fd) + ", and neither did the caller"})
		}
		return nil, cfg.fail(syscall.Errno(-r))
	}
	return finishOpen(h, facts|factsOf(h), &cfg)
}

// finishOpen makes the socket around a handle. An owner that has died meanwhile leaves nothing: what was opened is closed, and
// an adopted descriptor is the caller's again.
func finishOpen(h *handle, facts uint32, cfg *openConfig) (*Socket, error) {
	debug := globalDebug.Load()
	if cfg.debug != nil {
		debug = *cfg.debug
	}
	var o *otpOptions
	if debug {
		c := defaultOptions
		c.debug, o = true, &c
	}
	cAlone(h)
	s := newSocket(h, facts, o)
	if facts&factFromFD != 0 {
		s.rarely().fromFD = cfg.fd
		if cfg.adopt == adoptTake {
			s.rarely().fromFD = -1 // it is no duplicate of any
		}
	}
	registered := useRegistry.Load()
	if cfg.registry != nil {
		registered = *cfg.registry
	}
	if !s.settleIn(cfg.op(), registered, cfg.owner) {
		if facts&factFromFD != 0 {
			s.facts.Or(factUnmade)
		}
		s.close(nil, false)
		return nil, cfg.fail(errOwnerClosed)
	}
	return s, nil
}

func newSocket(h *handle, facts uint32, o *otpOptions) *Socket {
	s := &Socket{h: h, block: cCountersOf(h), id: lastID.Add(1), typ: Type(cType(h)), proto: Protocol(cProtocol(h))}
	s.state.Store(stOpen)
	s.dom.Store(int32(cDomain(h)))
	s.facts.Store(facts)
	s.otp.Store(o)
	gauges.add(s, 1)
	return s
}

// settleIn gives a new socket its place: registry, owner, or neither, where the garbage collector watches it. Owner and
// registry come last, because they are where others find it, and may close it: by then it is complete, and what is still
// to do asks nothing of it. False: the owner's mailbox is closed, and nobody has found the socket.
func (s *Socket) settleIn(op string, registered bool, owner *Mailbox) bool {
	if !registered {
		s.watchForgotten() // an owner, or the poller, keeps it as well
	}
	s.traceOpen(op)
	if owner != nil {
		s.mu.Lock()
		alive := owner.own(s)
		if alive {
			s.owner = owner
		}
		s.mu.Unlock()
		if !alive {
			return false
		}
	}
	if registered {
		registry.add(s) // which looks whether the owner has closed it
	}
	return true
}

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
