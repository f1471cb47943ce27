package esock

import (
	"runtime"
	"strconv"
	"syscall"

	"github.com/esock-go/esock/internal/ctext"
)

// OpenOption changes how Open, OpenIn and Adopt make a socket.
type OpenOption func(*openConfig)

type openConfig struct {
	netns    string
	owner    *Mailbox
	debug    *bool
	registry *bool
	adopt    uint // how Adopt uses the descriptor
	fd       int
	domain   int
	typ      int
	proto    int
}

// NetNS opens the socket in the network namespace that the file at path names, "/run/netns/blue". It needs
// CAP_SYS_ADMIN and /proc. The empty path is the namespace of the caller. Errors: *InvalidError "netns" for a file that is
// no namespace; it is not opened to find out. OTP: the netns key; setns(2).
func NetNS(path string) OpenOption { return func(c *openConfig) { c.netns = path } }

// Owner makes mb own the socket from the start: when mb is closed, so is the socket. OTP: the calling process.
func Owner(mb *Mailbox) OpenOption { return func(c *openConfig) { c.owner = mb } }

// Debug switches the socket's trace on or off. OTP: the debug key.
func Debug(on bool) OpenOption { return func(c *openConfig) { c.debug = &on } }

// Registered says whether the socket enters the registry, whatever UseRegistry says. OTP: the use_registry key.
func Registered(on bool) OpenOption { return func(c *openConfig) { c.registry = &on } }

// NoDup makes Adopt work on the descriptor itself: closing the socket gives it back, with the flags it had.
// OTP: dup => false.
// Whether it is close-on-exec does not change.
func NoDup() OpenOption { return func(c *openConfig) { c.adopt = 0 } }

// TakeFD makes Adopt work on the descriptor itself and close it with the socket. It becomes close-on-exec, as every
// descriptor that esock has is. After an error it is still the caller's, as it was.
func TakeFD() OpenOption { return func(c *openConfig) { c.adopt = adoptTake } }

// KnownAs tells Adopt what the descriptor is, where the kernel does not say.
func KnownAs(d Domain, t Type, p Protocol) OpenOption {
	return func(c *openConfig) { c.domain, c.typ, c.proto = int(d), int(t), int(p) }
}

// apply does what the options say.
func (c *openConfig) apply(opts []OpenOption) error {
	for i, o := range opts {
		if o == nil {
			return &InvalidError{What: "options", Cause: "option " + strconv.Itoa(i+1) + " is nil"}
		}
		o(c)
	}
	return nil
}

// Open opens a socket. Protocol 0 (Default) lets the kernel choose; Protocol() then tells which. Errors: those of
// socket(2) as syscall.Errno, *InvalidError. OTP: socket:open/2,3,4.
func Open(d Domain, t Type, p Protocol, opts ...OpenOption) (*Socket, error) {
	cfg := openConfig{}
	if err := cfg.apply(opts); err != nil {
		return nil, openError(err)
	}
	switch {
	case !fitsCInt(int64(d)):
		return nil, openError(&InvalidError{What: "domain", Value: int(d)})
	case t == RDM: // it can be reported, but OTP opens none
		return nil, openError(&InvalidError{What: "type", Value: t})
	case t < 0 || t > 0xf: // the rest are flags, and the core's to set
		return nil, openError(&InvalidError{What: "type", Value: int(t)})
	case !fitsCInt(int64(p)):
		return nil, openError(&InvalidError{What: "protocol", Value: int(p)})
	}
	if cause := ctext.Cause(cfg.netns); cause != "" {
		return nil, openError(&InvalidError{What: "netns", Value: cfg.netns, Cause: cause})
	}
	if err := cfg.checkOwner(); err != nil {
		return nil, err
	}
	var h *handle
	var r int
	if cfg.netns == "" {
		h, r = cOpen(int(d), int(t), int(p))
	} else {
		h, r = openIn(cfg.netns, int(d), int(t), int(p))
	}
	switch {
	case r == -int(syscall.EINVAL) && cfg.netns != "" && !isNamespace(cfg.netns):
		return nil, openError(&InvalidError{What: "netns", Value: cfg.netns, Cause: "the file is no namespace"})
	case r < 0:
		return nil, openError(syscall.Errno(-r))
	}
	return finishOpen(h, 0, &cfg)
}

// isNamespace says whether a file is a namespace, of whatever kind.
func isNamespace(path string) bool {
	const nsfs = 0x6e736673 // NSFS_MAGIC
	var fs syscall.Statfs_t
	return syscall.Statfs(path, &fs) != nil || fs.Type == nsfs
}

var errOwnerClosed = &InvalidError{What: "owner", Cause: "its mailbox is closed"}

// checkOwner refuses an owner that is dead before anything is made.
func (c *openConfig) checkOwner() error {
	if c.owner != nil && c.owner.Closed() {
		return openError(errOwnerClosed)
	}
	return nil
}

func openError(err error) error { return &Error{Op: "open", Reason: err} }

// openIn opens a socket in another network namespace, on a thread of its own: if the thread cannot be brought
// back, it ends with its goroutine.
func openIn(path string, d, t, p int) (h *handle, r int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var lost bool
		if h, lost, r = cOpenNetns(path, d, t, p); !lost {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return h, r
}

// Adopt makes a socket of a descriptor that exists already. It works on a duplicate, unless NoDup or TakeFD is given. The
// descriptor becomes nonblocking, for everybody who shares its description. Domain, type and protocol are asked of the
// kernel, then taken from KnownAs. Errors: EBADF for no descriptor, ENOTSOCK for one of a file or the like, *InvalidError
// "options" when neither the kernel nor the caller says what the socket is; those of fcntl(2). After an error the
// descriptor is as it was. An owner that is closed while Adopt runs closes the socket, as it would just afterwards.
// OTP: socket:open/1,2.
func Adopt(fd int, opts ...OpenOption) (*Socket, error) {
	cfg := openConfig{adopt: adoptDup, fd: fd, domain: -1, typ: -1, proto: -1}
	if err := cfg.apply(opts); err != nil {
		return nil, openError(err)
	}
	if !fitsCInt(int64(fd)) {
		return nil, openError(syscall.EBADF)
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
			return nil, openError(&InvalidError{What: "options", Value: missing,
				Cause: "the kernel does not tell it of descriptor " + strconv.Itoa(fd) + ", and neither did the caller"})
		}
		return nil, openError(syscall.Errno(-r))
	}
	var peer cAddr
	if cPeerName(h, &peer) >= 0 {
		facts |= factConnected
	}
	return finishOpen(h, facts, &cfg)
}

// finishOpen makes the socket around a handle. It cannot fail for an adopted descriptor, which the caller would want back.
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
	if !s.settleIn("open", registered, cfg.owner) {
		s.close(nil, false)
		if facts&factFromFD == 0 {
			return nil, openError(errOwnerClosed)
		}
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
