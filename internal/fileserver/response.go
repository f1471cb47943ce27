package fileserver

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/esock-go/esock"
)

// phrases are the statuses that are answered (RFC 9110, section 15).
var phrases = map[int]string{
	200: "OK",
	206: "Partial Content",
	301: "Moved Permanently",
	304: "Not Modified",
	400: "Bad Request",
	403: "Forbidden",
	404: "Not Found",
	405: "Method Not Allowed",
	408: "Request Timeout",
	412: "Precondition Failed",
	414: "URI Too Long",
	416: "Range Not Satisfiable",
	431: "Request Header Fields Too Large",
	503: "Service Unavailable",
	505: "HTTP Version Not Supported",
}

// maxKept is up to how much memory a connection keeps for its next answer.
const maxKept = 16 << 10

// errFellShort says that a file has become shorter than its answer has promised: the client learns it by the end of the
// connection.
var errFellShort = errors.New("the file has become shorter")

// start begins the head of an answer.
func (c *conversation) start(status int) {
	c.status = status
	c.out = append(c.out[:0], "HTTP/1.1 "...)
	c.out = strconv.AppendInt(c.out, int64(status), 10)
	c.out = append(append(c.out, ' '), phrases[status]...)
	c.field("Server", "esock")
	c.moment("Date", c.date)
	switch {
	case c.last:
		c.field("Connection", "close")
	case c.head.minor == 0:
		c.field("Connection", "keep-alive")
	}
}

// field begins a header, with its value or the beginning of that.
func (c *conversation) field(name, value string) {
	c.out = append(c.out, "\r\n"...)
	c.out = append(c.out, name...)
	c.out = append(c.out, ": "...)
	c.out = append(c.out, value...)
}

func (c *conversation) number(n int64) { c.out = strconv.AppendInt(c.out, n, 10) }

// moment is a header with a date.
func (c *conversation) moment(name string, t time.Time) {
	c.field(name, "")
	c.out = t.UTC().AppendFormat(c.out, httpTime)
}

// validators are the headers by which a client asks whether a file has changed.
func (c *conversation) validators(tag []byte, modified time.Time) {
	c.field("ETag", "")
	c.out = append(c.out, tag...)
	// A file's time may lie in the future, and must not appear so (RFC 9110, section 8.8.2.1).
	if modified.After(c.date) {
		modified = c.date
	}
	c.moment("Last-Modified", modified)
}

// refuse answers with a status and its phrase.
func (c *conversation) refuse(status int) error {
	c.start(status)
	if status == 405 {
		c.field("Allow", "GET, HEAD")
	}
	return c.message(status)
}

// message ends an answer with the status as its text.
func (c *conversation) message(status int) error {
	c.field("Content-Type", "text/plain; charset=utf-8")
	text := make([]byte, 0, 64)
	text = append(strconv.AppendInt(text, int64(status), 10), ' ')
	return c.text(append(append(text, phrases[status]...), '\n'))
}

// text ends an answer with a body that is in memory.
func (c *conversation) text(body []byte) error {
	c.field("Content-Length", "")
	c.number(int64(len(body)))
	c.out = append(c.out, "\r\n\r\n"...)
	if !c.head.only {
		c.bytes = int64(len(body))
		c.out = append(c.out, body...)
	}
	err := c.send(c.out, 0)
	if cap(c.out) > maxKept {
		c.out = nil
	}
	return err
}

// finish ends an answer without a body.
func (c *conversation) finish() error {
	c.out = append(c.out, "\r\n\r\n"...)
	return c.send(c.out, 0)
}

// transmit ends an answer with a part of a file. MSG_MORE: the kernel keeps the head until the file's first bytes go
// with it.
func (c *conversation) transmit(f *os.File, part span) error {
	if c.head.only || part.length == 0 {
		return c.finish()
	}
	c.out = append(c.out, "\r\n\r\n"...)
	if err := c.send(c.out, esock.MsgMore); err != nil {
		return err
	}
	return c.push(part.length, func(done, n int64, wait esock.Wait) (int64, error) {
		n, err := c.sock.Socket().SendFile(f, part.offset+done, n, wait)
		c.bytes += n
		if n == 0 && err == nil {
			err = errFellShort
		}
		return n, err
	})
}

// send sends bytes to the client. Not by gentcp's Send, which has neither a limit of its own for each call nor flags.
func (c *conversation) send(b []byte, flags esock.MsgFlags) error {
	return c.push(int64(len(b)), func(done, n int64, wait esock.Wait) (int64, error) {
		sent, err := c.sock.Socket().Send(b[done:done+n], flags, wait)
		return int64(sent), err
	})
}

// push sends so many bytes, to a client that takes some of them now and then: it is given up when it has taken nothing for
// the time of --stall. write sends n bytes that come after those done, or as many as go within the wait. A call that waits
// does not tell when its last byte went, so only calls for a single byte wait: the time runs from the moment the kernel
// had no room, and ends with the first byte that it takes.
func (c *conversation) push(length int64, write func(done, n int64, wait esock.Wait) (int64, error)) error {
	for done := int64(0); done < length; {
		n, err := write(done, length-done, esock.Within(0))
		if done += n; timedOut(err) {
			n, err = write(done, 1, c.stall)
			done += n
		}
		if err != nil {
			return err
		}
	}
	return nil
}
