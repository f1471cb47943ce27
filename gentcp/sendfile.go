package gentcp

import (
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"github.com/esock-go/esock"
)

// SendFile sends bytes of f, from an offset, with sendfile(2); 0 bytes, or esock.ToEnd, means to the end of the file. It
// returns how many were sent, fewer if the file ended. The bytes get no header, whatever the packet type. The position of f does not matter
// and does not move. SendFile waits without limit: send_timeout does not apply. A file that sendfile(2) refuses is read and
// sent; a pipe is ESPIPE. Errors: EINVAL for a negative offset, ErrBadArg for a negative count or no file; those of Send.
// OTP: file:sendfile/5.
func (s *Socket) SendFile(f *os.File, offset, bytes int64) (int64, error) {
	const op = "sendfile"
	switch {
	case !s.made():
		return 0, notMade(op)
	case f == nil:
		return 0, s.fail(op, &badArgument{"file", nil, "it is nil"})
	case bytes < 0 && bytes != esock.ToEnd:
		return 0, s.fail(op, &badArgument{"bytes", bytes, "it is negative"})
	case offset < 0:
		return 0, s.fail(op, invalid("offset", offset, "it is negative"))
	}
	if bytes == 0 {
		bytes = esock.ToEnd
	}
	n, err := s.sock.SendFile(f, offset, bytes, esock.Forever)
	if n == 0 && unsupported(err) {
		n, err = s.copyFile(f, offset, bytes)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrClosed):
		return n, s.fail(op, &badArgument{"file", nil, "it is closed"})
	}
	return n, s.failAs(op, s.sendReason(s.opts.Load(), err), err)
}

// SendFile opens a file by its name and sends all of it. Errors: also those of open(2). OTP: file:sendfile/2.
func SendFile(path string, s *Socket) (int64, error) {
	if !s.made() {
		return 0, notMade("sendfile")
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, &Error{Op: "sendfile", Socket: s, Reason: errnoOr(err), cause: strconv.Quote(path)}
	}
	defer f.Close()
	return s.SendFile(f, 0, 0)
}

// errnoOr returns the errno in an error, or the error if it has none.
func errnoOr(err error) error {
	if errno := errnoIn(err); errno != 0 {
		return errno
	}
	return err
}

// unsupported reports whether sendfile(2) refuses this kind of file.
func unsupported(err error) bool {
	return errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EINVAL)
}

// copyFile sends a file that sendfile(2) refuses: it reads and sends.
func (s *Socket) copyFile(f *os.File, offset, bytes int64) (sent int64, err error) {
	from := io.NewSectionReader(f, offset, 1<<62-offset)
	buf := make([]byte, 256<<10)
	for bytes == esock.ToEnd || sent < bytes {
		part := buf
		if bytes != esock.ToEnd {
			part = buf[:min(int64(len(buf)), bytes-sent)]
		}
		n, err := from.Read(part)
		if n > 0 {
			m, err := s.sock.Send(part[:n], 0, esock.Forever)
			sent += int64(m)
			if err != nil {
				return sent, err
			}
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, errnoOr(err)
		}
	}
	return sent, nil
}
