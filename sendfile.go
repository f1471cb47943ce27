package esock

import (
	"os"
	"runtime"
	"syscall"
)

// heldFile is the file of a sendfile in progress: a duplicate, so that the caller may close the original, or lent.
type heldFile struct {
	fd      int
	offset  int64
	left    int64 // -1: to the end of the file
	sent    int64
	started bool // the kernel has been asked
	kept    bool // by a handle, so it has a finalizer
	lent    bool // the caller keeps it open, and closes it
}

// holdFile duplicates f's descriptor.
func holdFile(f syscall.Conn, offset, count int64) (*heldFile, error) {
	if file, isFile := f.(*os.File); f == nil || isFile && file == nil {
		return nil, &InvalidError{What: "file", Cause: "it is nil"}
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	h := &heldFile{offset: offset, left: count}
	err = raw.Control(func(fd uintptr) {
		r, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		if h.fd = int(r); errno != 0 {
			h.fd = -int(errno)
		}
	})
	switch {
	case err != nil:
		return nil, os.ErrClosed // the only error of Control, by its public name
	case h.fd < 0:
		return nil, errnoOf(h.fd)
	}
	return h, nil
}

func (f *heldFile) close() {
	if f.fd >= 0 && !f.lent {
		syscall.Close(f.fd)
		f.fd = -1
	}
	if f.kept {
		runtime.SetFinalizer(f, nil)
	}
}

// send makes the system call once.
func (f *heldFile) send(h *handle, how uint) int {
	if f.started {
		how |= howCont
	}
	count := int64(sendfileMax)
	if f.left >= 0 && f.left < count {
		count = f.left
	}
	f.started = true
	return cSendFile(h, f.fd, &f.offset, int(count), how)
}

// advance notes that n bytes were sent, and reports whether that was all. The core has advanced the offset.
func (f *heldFile) advance(n int) bool {
	f.sent += int64(n)
	if f.left >= 0 {
		f.left -= int64(n)
	}
	return n == 0 || f.left == 0
}

// keepFile makes h hold the file of the call, for the call that continues it. The finalizer is for a handle that becomes
// unreachable together with its socket. Other calls close their file themselves and have none, because one is expensive.
func (h *Handle) keepFile(c *call) {
	if f := c.file; f != nil {
		h.extend().file, c.file = f, nil
		if !f.kept {
			f.kept = true
			runtime.SetFinalizer(f, (*heldFile).close)
		}
	}
}

// heldFile returns the file of the sendfile in progress with h, nil if there is none.
func (h *Handle) heldFile() *heldFile {
	if h.ext == nil {
		return nil
	}
	return h.ext.file
}

// dropFile ends that sendfile and closes its file, and ends an operation that is to be carried out. The C handle must be there.
func (s *Socket) dropFile(h *Handle) {
	if h.ext == nil {
		return
	}
	if f := h.ext.file; f != nil {
		h.ext.file = nil
		s.endSendFile(f, nil)
	}
	if h.completes {
		h.ext.operation.drop(s)
	}
}

// endSendFile ends the operation in the counters, and closes its file. The C handle must be there.
func (s *Socket) endSendFile(f *heldFile, err error) {
	if f.started {
		cSendFileDone(s.h, f.sent, -int(errnoIn(err)))
	}
	f.close()
}

// ToEnd is the count of a SendFile up to the end of the file. OTP: Count 0.
const ToEnd = -1

// SendFile sends count bytes of f from offset; 0 sends nothing, ToEnd all up to the end. f is a file, or anything else that has the
// descriptor of one. SendFile neither uses nor moves f's own position. It returns the bytes sent, fewer than count if the
// file ends. It works on a duplicate, so f may be closed meanwhile. The call waits for the disk if the file is not in memory.
//
// The count returned with a *Select is what this call sent. With w.Continue the operation goes on, ignoring f, offset
// and count. Errors: *InvalidError for a negative offset or another negative count; EINVAL or ESPIPE for a pipe or a
// directory; those of send(2). OTP: socket:sendfile/2,3,4,5; sendfile(2).
func (s *Socket) SendFile(f syscall.Conn, offset, count int64, w Wait) (int64, error) {
	s = s.orClosed()
	c := call{op: OpSendFile}
	if w.continues() == nil {
		switch {
		case count < ToEnd:
			return 0, s.answer(c.op, &w, &InvalidError{What: "count", Value: count, Cause: "it is neither ToEnd nor at least 0"})
		case offset < 0:
			return 0, s.answer(c.op, &w, &InvalidError{What: "offset", Value: offset, Cause: "an offset cannot be negative"})
		}
		held, err := holdFile(f, offset, count) // before the reference, which Close waits for: f's methods may be slow
		if closed := s.ref(c.op.String()); closed != nil {
			if held != nil {
				held.close()
			}
			return 0, closed
		}
		s.facts.Or(factFiles)
		if err != nil {
			cSendFileDone(s.h, 0, -int(syscall.EBADF))
		}
		s.unref()
		if err != nil {
			return 0, s.answer(c.op, &w, fileError(err))
		}
		if count == 0 { // as sendfile(2), which would refuse some descriptors here
			held.close()
			return 0, s.answer(c.op, &w, s.unfit(c.op, &w))
		}
		c.file = held
	}
	n, err := s.do(&c, &w)
	if c.file != nil {
		c.file.close() // the call did not get the lane
	}
	return int64(n), withCause(err, func(_ string, errno syscall.Errno) string { return causeInFile(f, errno) })
}
