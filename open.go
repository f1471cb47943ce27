package esock

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/esock-go/esock/internal/ctext"
	"github.com/esock-go/esock/internal/plain"
)

// OpenOption changes how Open and Adopt make a socket. Each refuses the options that are only for the other.
type OpenOption func(*openConfig)

type openConfig struct {
	adopts   bool   // for Adopt, not Open
	misfit   string // says which option is for the other function
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
	host     *simHost // nil: the machine
}

// Configs that many sockets share. They are never changed.
var (
	yes, no          = true, false
	noOptions        openConfig
	registeredOnly   = openConfig{registry: &yes}
	unregisteredOnly = openConfig{registry: &no}
)

// openOption makes an option of set. It ignores a nil config.
func openOption(set func(c *openConfig)) OpenOption {
	return func(c *openConfig) {
		if c != nil {
			set(c)
		}
	}
}

// adoptOption is openOption for an option that only Adopt takes.
func adoptOption(name string, set func(c *openConfig)) OpenOption {
	return openOption(func(c *openConfig) {
		if !c.adopts {
			c.misfit = name + " is for Adopt"
		}
		set(c)
	})
}

// NetNS opens the socket in the network namespace that the file at path names, such as "/run/netns/blue". It needs
// CAP_SYS_ADMIN and /proc. The empty path stands for the caller's namespace. Adopt refuses it, because a descriptor is
// already in a namespace. Errors: *InvalidError "netns" if the file is not a network namespace (the check does not
// open it); *fs.PathError if it cannot be found or entered. OTP: the netns key; setns(2).
func NetNS(path string) OpenOption {
	return openOption(func(c *openConfig) {
		if c.netns = path; c.adopts && path != "" {
			c.misfit = "NetNS is for Open: a descriptor is in a namespace already"
		}
	})
}

// Owner sets the owner: closing mb closes the socket.
func Owner(mb *Mailbox) OpenOption { return openOption(func(c *openConfig) { c.owner = mb }) }

// Debug switches the socket's trace on or off. OTP: the debug key.
func Debug(on bool) OpenOption { return openOption(func(c *openConfig) { c.debug = &on }) }

// Registered overrides UseRegistry for this socket. OTP: the use_registry key.
func Registered(on bool) OpenOption { return openOption(func(c *openConfig) { c.registry = &on }) }

// NoDup makes Adopt use the descriptor itself, which the caller keeps open until the socket is closed. Closing gives it
// back with its original flags; close-on-exec is never changed, nor is another socket that has its number by then.
// Several sockets may share one descriptor. The first call that waits makes a duplicate to wait with, one for blocking
// and one for asynchronous calls, so it may fail with EMFILE; they keep the connection open until the socket is closed.
// OTP: dup => false.
func NoDup() OpenOption { return adoptWay("NoDup", 0) }

// TakeFD makes Adopt use the descriptor itself and close it with the socket. The descriptor becomes close-on-exec,
// like all of esock's. After an error it still belongs to the caller, unchanged.
func TakeFD() OpenOption { return adoptWay("TakeFD", adoptTake) }

func adoptWay(name string, adopt uint) OpenOption {
	return adoptOption(name, func(c *openConfig) {
		if c.way != "" && c.way != name && c.misfit == "" {
			c.misfit = c.way + " and " + name + " exclude each other"
		}
		c.way, c.adopt = name, adopt
	})
}

// KnownAs supplies what the kernel does not report about an adopted descriptor; -1 stands for unknown.
func KnownAs(d Domain, t Type, p Protocol) OpenOption {
	return adoptOption("KnownAs", func(c *openConfig) {
		if !plain.FitsCInt(int64(d)) || !plain.FitsCInt(int64(t)) || !plain.FitsCInt(int64(p)) {
			c.misfit = "KnownAs takes C ints"
		}
		c.domain, c.typ, c.proto = int(d), int(t), int(p)
	})
}

// apply applies the options. Errors: *InvalidError "options".
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

// Open opens a socket. Protocol 0 (Default) lets the kernel choose; Socket.Protocol returns its choice. Errors: those
// of socket(2), *InvalidError. OTP: socket:open/2,3,4.
func Open(d Domain, t Type, p Protocol, opts ...OpenOption) (*Socket, error) {
	cfg := &noOptions
	if len(opts) > 0 { // an option gets the address of cfg, which is then on the heap
		cfg = new(openConfig)
	}
	if err := cfg.apply(opts); err != nil {
		return nil, cfg.fail(err)
	}
	return openWith(d, t, p, cfg)
}

// openWith opens a socket as cfg says, which it does not change.
func openWith(d Domain, t Type, p Protocol, cfg *openConfig) (*Socket, error) {
	switch {
	case !plain.FitsCInt(int64(d)):
		return nil, cfg.fail(&InvalidError{What: "domain", Value: int(d)})
	case t < 0 || t > 0xf: // the other bits are flags, which the core sets
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
	if cfg.host != nil {
		return openSimulated(cfg, d, t, p)
	}
	if cfg.netns != "" {
		return openIn(cfg, int(d), int(t), int(p))
	}
	m := cOpen(int(d), int(t), int(p), nil)
	if err := errnoOf(int(m.r)); err != nil {
		return nil, cfg.refused(err, d, t, p)
	}
	return finishOpen(&m, 0, cfg)
}

var errOwnerClosed = &InvalidError{What: "owner", Cause: "its mailbox is closed"}

// checkOwner refuses a closed owner before anything is made.
func (c *openConfig) checkOwner() error {
	if c.owner != nil && c.owner.Closed() {
		return c.fail(errOwnerClosed)
	}
	return nil
}

// op returns the name of the operation in errors.
func (c *openConfig) op() string {
	if c.adopts {
		return "adopt"
	}
	return "open"
}

func (c *openConfig) fail(err error) error { return &Error{Op: c.op(), Reason: err} }

// refused is fail for what the system refuses to open.
func (c *openConfig) refused(err error, d Domain, t Type, p Protocol) error {
	e := &Error{Op: c.op(), Reason: err, object: d.String() + " " + t.String() + " " + p.nameIn(d)}
	if errno, ok := err.(syscall.Errno); ok {
		e.cause = causeOfOpen(d, t, errno)
	}
	return e
}

// nameIn is the protocol as programs spell it: for packets, the number that EtherType takes.
func (p Protocol) nameIn(d Domain) string {
	if d == Packet && isEtherType(p) {
		return fmt.Sprintf("0x%04x", uint16(EtherType(uint16(p)))) // the swap is its own inverse
	}
	return p.String()
}

// refusedFD is fail for a descriptor that the system refuses.
func (c *openConfig) refusedFD(errno syscall.Errno) error {
	return &Error{Op: c.op(), Reason: errno, object: "descriptor " + strconv.Itoa(c.fd)}
}

// openIn opens a socket in another network namespace, on a thread of its own. A thread that cannot return to its namespace
// ends with its goroutine.
func openIn(cfg *openConfig, d, t, p int) (*Socket, error) {
	path, done := cfg.netns, make(chan cMade, 1)
	go func() {
		runtime.LockOSThread()
		m := cOpenNetns(path, d, t, p)
		if m.fault != netnsLost {
			runtime.UnlockOSThread()
		}
		done <- m
	}()
	m := <-done
	if err := netnsError(path, uint32(m.fault), errnoOf(int(m.r))); err != nil {
		return nil, cfg.refused(err, Domain(d), Type(t), Protocol(p))
	}
	return finishOpen(&m, 0, cfg)
}

// netnsError makes the error of openIn: err, and what the core says failed.
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
		return &InvalidError{What: "netns", Value: path, Cause: "the file is not a network namespace"}
	case errno == syscall.EPERM:
		err = &explainedErrno{errno, "it needs CAP_SYS_ADMIN"}
	}
	return &os.PathError{Op: "netns", Path: path, Err: err}
}

// Adopt makes a socket from an existing descriptor. It uses a duplicate, unless NoDup or TakeFD is given. The
// descriptor becomes nonblocking for every process that shares its description. The kernel reports domain, type,
// protocol and state; KnownAs supplies what it does not report.
//
// Another process may make the shared description blocking again. So that calls here do not block, the first Accept,
// Connect or SendFile sets SO_RCVTIMEO and SO_SNDTIMEO to 20 ms where they are 0, until Close. Blocking calls of other
// processes then end after 20 ms (EAGAIN).
//
// Errors: EBADF if fd is not open; ENOTSOCK if it is not a socket; *InvalidError "options" if an option does not apply,
// or neither the kernel nor KnownAs tells what the socket is; *InvalidError "owner" for one that is closed; those of
// fcntl(2). After an error the descriptor is unchanged and still the caller's. OTP: socket:open/1,2.
func Adopt(fd int, opts ...OpenOption) (*Socket, error) {
	cfg := openConfig{adopts: true, adopt: adoptDup, fd: fd, domain: -1, typ: -1, proto: -1}
	if err := cfg.apply(opts); err != nil {
		return nil, cfg.fail(err)
	}
	if !plain.FitsCInt(int64(fd)) {
		return nil, cfg.refusedFD(syscall.EBADF)
	}
	if err := cfg.checkOwner(); err != nil {
		return nil, err
	}
	facts := factFromFD
	if cfg.adopt == 0 {
		facts |= factBorrowed
	}
	if err := cfg.enterHost(); err != nil {
		return nil, err
	}
	m := cAdopt(fd, cfg.adopt, cfg.domain, cfg.typ, cfg.proto, cfg.table())
	if m.r < 0 {
		if missing := cMissing(&m); missing != "" {
			return nil, cfg.fail(&InvalidError{What: "options", Value: missing,
				Cause: "the kernel does not tell it of descriptor " + strconv.Itoa(fd) + ", and neither did the caller"})
		}
		return nil, cfg.refusedFD(syscall.Errno(-m.r))
	}
	return finishOpen(&m, facts|factsOf(m.h), &cfg)
}

// finishOpen makes the socket of what was opened. If the owner has closed meanwhile, it closes what was opened, and gives an adopted
// descriptor back.
func finishOpen(m *cMade, facts uint32, cfg *openConfig) (*Socket, error) {
	debug := globalDebug.Load()
	if cfg.debug != nil {
		debug = *cfg.debug
	}
	var o *otpOptions
	if debug || cfg.host != nil {
		c := defaultOptions
		c.debug, c.host, o = debug, cfg.host, &c
	}
	s := newSocket(m.h, Domain(m.domain), Type(m.typ), Protocol(m.protocol), facts, o)
	if facts&factFromFD != 0 {
		a := &adoption{fd: cfg.fd}
		if cfg.adopt == adoptTake {
			a.fd = -1
		}
		if facts&factBorrowed != 0 {
			a.lent = cookieOf(m.h)
		}
		s.rarely().adopted = a
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

func newSocket(h *handle, d Domain, t Type, p Protocol, facts uint32, o *otpOptions) *Socket {
	s := &Socket{h: h, block: cCountersOf(h), id: lastID.Add(1), typ: t, proto: int32(p)}
	s.shares = t != Stream && t != SeqPacket
	s.state.Store(stOpen)
	s.dom.Store(int32(d))
	if facts != 0 {
		s.facts.Store(facts)
	}
	if o != nil {
		s.otp.Store(o)
	}
	gauges.add(s, 1)
	return s
}

// settleIn enters a new socket in the registry and gives it to its owner; without the registry, the garbage collector watches
// it. Owner and registry come last, because other goroutines find the socket there and may close it, so it must be complete.
// settleIn returns false if the owner is closed; no other goroutine has the socket then.
func (s *Socket) settleIn(op string, registered bool, owner *Mailbox) bool {
	if k := s.simulated(); k != nil {
		k.add(s) // the collector would close it outside of its bubble; a socket that is left open fails the test
	} else if !registered {
		s.watchForgotten() // an owner, or the poller while armed, keeps it reachable
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
		registry.add(s) // which checks whether the owner has closed it
	}
	return true
}
