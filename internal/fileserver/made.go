package fileserver

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// maxMade limits how much of a file that the kernel makes up is read before the response begins.
const maxMade = 64 << 10

// mayBeMadeUp reports whether the kernel may make up a file when it is read, as in /proc and /sys, so that its size says
// nothing. Such a file has no blocks on a disk; a file with holes alone has none either, but then reading finds its size.
func mayBeMadeUp(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Blocks == 0 && st.Size <= maxMade
}

// begun reads the first bytes of a file: all of it, or more than maxMade.
func (c *connection) begun(f *os.File) ([]byte, error) {
	return io.ReadAll(io.LimitReader(c.patient(f), maxMade+1))
}

// patient reads a file whose next bytes may have to be waited for, such as /proc/kmsg: at most for Config.Stall. For other
// files the deadline is an error, and not needed.
func (c *connection) patient(f *os.File) io.Reader {
	f.SetReadDeadline(time.Now().Add(c.patience))
	return f
}

// madeUp responds with a file that the kernel makes up. It can change at any time and its date says nothing, so there are no
// validators, and no ranges.
func (c *connection) madeUp(f *os.File, begun []byte, name string) error {
	whole := len(begun) <= maxMade
	c.flows(!whole)
	switch status := c.head.precondition(nil, time.Time{}); status {
	case 0:
	case http.StatusNotModified:
		c.start(status)
		return c.finish(false)
	default:
		return c.refuse(status)
	}
	c.start(http.StatusOK)
	c.field("Content-Type", contentType(name))
	if whole {
		return c.text(begun)
	}
	return c.flow(begun, func(piece []byte) ([]byte, error) {
		n, err := c.patient(f).Read(piece[:cap(piece)])
		if n > 0 {
			err = nil
		}
		return piece[:n], err
	})
}

// flows notes before the head of a response whether its body comes through flow.
func (c *connection) flows(body bool) {
	if body && c.head.minor == 0 {
		c.last = true // the end of the connection shows the end of the body
	}
}

// flow ends a response whose length is not known yet. next makes another piece in the memory of the one before; io.EOF: there
// is none.
func (c *connection) flow(piece []byte, next func(memory []byte) ([]byte, error)) error {
	chunked := c.head.minor > 0
	if chunked {
		c.field("Transfer-Encoding", "chunked")
	}
	if c.head.headOnly {
		return c.finish(false)
	}
	c.length = -1
	err := c.finish(true)
	for err == nil {
		if err = c.piece(piece, chunked); err == nil {
			piece, err = next(piece)
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if chunked {
		_, err = c.send([]byte("0\r\n\r\n"), false)
		return err
	}
	return nil
}

// piece sends a piece of a body, with its length if it is chunked (RFC 9112, section 7.1). It is not empty: that would be the
// last chunk.
func (c *connection) piece(b []byte, chunked bool) error {
	if chunked {
		c.out = append(strconv.AppendInt(c.out[:0], int64(len(b)), 16), "\r\n"...)
		if _, err := c.send(c.out, true); err != nil {
			return err
		}
	}
	n, err := c.send(b, chunked)
	c.bytes += n
	if err == nil && chunked {
		_, err = c.send([]byte("\r\n"), false)
	}
	return err
}
