package esock

import (
	"net"
	"os"
	"syscall"
)

// SyscallConn gives access to the descriptor, for calls that esock lacks.
//
// Control holds the socket while f runs: the descriptor stays open, and its number stays this socket's. Read and Write also
// take the socket's reading or writing direction, in turn with other calls, and wait until the descriptor is ready whenever f
// returns false; f must not call the socket's methods of that direction. The descriptor is nonblocking. f must neither close
// it nor keep it. Errors: net.ErrClosed; *InvalidError "function" for a nil f.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	s = s.orClosed()
	if s.closing() {
		return nil, s.fail("syscallconn", net.ErrClosed)
	}
	return rawConn{s}, nil
}

var _ syscall.Conn = (*Socket)(nil)

type rawConn struct{ s *Socket }

func (c rawConn) Control(f func(fd uintptr)) error {
	const op = "control"
	if f == nil {
		return c.s.fail(op, errNoFunction)
	}
	if err := c.s.ref(op); err != nil {
		return err
	}
	defer c.s.unref()
	f(uintptr(cFD(c.s.h)))
	return nil
}

func (c rawConn) Read(f func(fd uintptr) (done bool)) error  { return c.s.raw(OpRawRead, f) }
func (c rawConn) Write(f func(fd uintptr) (done bool)) error { return c.s.raw(OpRawWrite, f) }

var errNoFunction = &InvalidError{What: "function", Cause: "it is nil"}

func (s *Socket) raw(op Op, f func(fd uintptr) (done bool)) error {
	if f == nil {
		return s.fail(op.String(), errNoFunction)
	}
	inside := false
	defer func() {
		if inside { // f panicked, or ended its goroutine
			s.abandon(op)
		}
	}()
	c := call{op: op, own: func() int {
		inside = true
		done := f(uintptr(cFD(s.h)))
		inside = false
		if done {
			return 1
		}
		return -int(syscall.EAGAIN)
	}}
	w := Forever
	_, err := s.do(&c, &w)
	return err
}

// abandon frees the lane of a call that its goroutine leaves by a panic or runtime.Goexit.
func (s *Socket) abandon(op Op) {
	s.endWait(op.direction())
	s.leave(op, nil)
}

// File returns a duplicate of the socket's descriptor as a file. The caller must close it; closing one does not close the
// other. They share one open file description, with its options and O_NONBLOCK, which is on. The socket's calls end as
// documented even where the file is made blocking. Errors: net.ErrClosed; EMFILE. dup(2); net.TCPConn.File.
func (s *Socket) File() (*os.File, error) {
	const op = "file"
	s = s.orClosed()
	if err := s.ref(op); err != nil {
		return nil, err
	}
	defer s.unref()
	fd := cDup(s.h)
	if err := errnoOf(fd); err != nil {
		return nil, s.fail(op, err)
	}
	return os.NewFile(uintptr(fd), s.String()), nil
}

// AdoptFile makes a socket from a duplicate of a file's descriptor; the caller must close both. The connections of package
// net return such a file from their File method. Options are those of Adopt, except NoDup and TakeFD. Errors: as Adopt's;
// os.ErrClosed; *InvalidError "file" for nil.
func AdoptFile(f *os.File, opts ...OpenOption) (*Socket, error) {
	cfg := openConfig{adopts: true}
	if f == nil {
		return nil, cfg.fail(&InvalidError{What: "file", Cause: "it is nil"})
	}
	if cfg.apply(opts) == nil && cfg.way != "" {
		return nil, cfg.fail(&InvalidError{What: "options", Cause: cfg.way + " is not for a file, which owns its descriptor"})
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, cfg.fail(fileError(err))
	}
	var s *Socket
	var adopted error
	if err := raw.Control(func(fd uintptr) { s, adopted = Adopt(int(fd), opts...) }); err != nil {
		return nil, cfg.fail(os.ErrClosed)
	}
	return s, adopted
}
