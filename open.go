package esock

import (
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/esock-go/esock/internal/ctext"
	"github.com/esock-go/esock/internal/plain"
)

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

// NoDup makes Adopt work on the descriptor itself: closing the socket gives it back, with the flags it had. Whether it is
// close-on-exec does not change. Several sockets may be made of one descriptor; each waits, and is told, by itself. The first
// call that waits makes a duplicate to wait with, one for blocking calls and one for asynchronous ones, so its errors may be
// EMFILE. Both are closed with the socket, and until then the connection stays open. The caller keeps the descriptor open until
// the socket is closed; should its number be another socket's by then, closing leaves that one alone. OTP: dup => false.
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
	case d == Packet && !isEtherType(p):
		return nil, cfg.fail(&InvalidError{What: "protocol", Value: int(p), Cause: "no type of frames in network byte order: see EtherType"})
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
		if facts&factBorrowed != 0 {
			s.rarely().lent = cookieOf(h)
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
