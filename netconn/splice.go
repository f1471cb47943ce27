package netconn

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// spliceMost is how much one splice(2) moves at most, which is the size of the pipe where the system lets it be so large.
const spliceMost = 1 << 20

// refusesKind reports whether a system call refused the kind of a descriptor: another way may do.
func refusesKind(err error) bool {
	for _, refusal := range []syscall.Errno{syscall.EINVAL, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EPERM} {
		if errors.Is(err, error(refusal)) {
			var errno syscall.Errno
			return errors.As(err, &errno)
		}
	}
	return false
}

// splicing is a copy from a socket to another, through a pipe that only it has. It is used again, because a pipe costs more than
// a short copy.
type splicing struct {
	from end
	to   end
	pipe
	held   int // bytes in the pipe
	most   int // of the next fill
	moved  int64
	err    error // of the last splice(2)
	source func(fd uintptr) bool
	sink   func(fd uintptr) bool
}

type pipe struct{ r, w int }

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

var splicings sync.Pool

// newSplicing is one that was used before, or has a new pipe. The pipe of one that is forgotten is closed.
func newSplicing() (*splicing, error) {
	if s, ok := splicings.Get().(*splicing); ok {
		return s, nil
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	// A pipe that stays small is slower, and no more.
	unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, spliceMost)
	s := &splicing{pipe: pipe{p[0], p[1]}}
	s.source, s.sink = s.fill, s.drain
	runtime.AddCleanup(s, pipe.close, s.pipe)
	return s, nil
}

// free keeps an empty pipe for the next copy. What a failed one has left in its pipe is nobody's.
func (s *splicing) free() {
	s.from, s.to, s.moved, s.err = end{}, end{}, 0, nil
	if s.held == 0 {
		splicings.Put(s)
	}
}

// end is a socket that is spliced. s is nil if it is not of esock.
type end struct {
	raw syscall.RawConn
	s   *esock.Socket
}

// count adds to the socket's counters what one splice(2) moved.
func (e end) count(writing bool, n int) {
	if e.s != nil {
		calls.Count(e.s, writing, min(n, 1), n, n)
	}
}

// splice moves up to limit bytes from a socket to another one within the kernel; splice(2). handled is false if nothing
// was moved and another way may do.
func splice(to, from end, limit int64) (n int64, handled bool, err error) {
	if limit == 0 {
		return 0, true, nil
	}
	s, err := newSplicing()
	if err != nil {
		return 0, false, nil
	}
	defer s.free()
	s.from, s.to = from, to
	for s.moved < limit {
		s.most = int(min(limit-s.moved, spliceMost))
		if err := s.fillPipe(); err != nil || s.held == 0 {
			return s.moved, s.moved > 0 || !refusesKind(err), err
		}
		if err := s.drainPipe(); err != nil {
			return s.moved, true, err
		}
	}
	return s.moved, true, nil
}

// fillPipe and drainPipe make one half of the copy.
func (s *splicing) fillPipe() error {
	s.err = nil
	return s.failed(s.from.raw.Read(s.source))
}

func (s *splicing) drainPipe() error {
	s.err = nil
	return s.failed(s.to.raw.Write(s.sink))
}

// failed is the error of a half, of its wait or of its splice(2).
func (s *splicing) failed(err error) error {
	if err == nil {
		err = s.err
	}
	if err == nil {
		return nil
	}
	var op *net.OpError
	if errors.As(err, &op) { // of a connection of package net
		err = op.Err
	}
	return reason("splice", err)
}

// fill moves what has come into the pipe, which is empty. It returns false if nothing has.
func (s *splicing) fill(fd uintptr) bool {
	n, err := spliceOnce(int(fd), s.w, s.most)
	if err == syscall.EAGAIN {
		return false
	}
	s.held, s.err = n, err
	s.from.count(false, n)
	return true
}

// drain moves the pipe's bytes to the socket. It returns false if there is no room for all of them.
func (s *splicing) drain(fd uintptr) bool {
	for s.held > 0 {
		n, err := spliceOnce(s.r, int(fd), s.held)
		if err == syscall.EAGAIN {
			return false
		}
		s.to.count(true, n)
		if err != nil {
			s.err = err
			return true
		}
		s.held -= n
		s.moved += int64(n)
	}
	return true
}

func spliceOnce(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != syscall.EINTR {
			return int(max(n, 0)), err
		}
	}
}
