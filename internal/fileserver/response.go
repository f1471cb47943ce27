package fileserver

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/esock-go/esock"
)

// maxKept limits the memory that a connection keeps for its next response.
const maxKept = 16 << 10

// errFileShrank reports a file that became shorter than the Content-Length that was sent. The connection ends, so that the
// client notices.
var errFileShrank = errors.New("the file became shorter while it was sent")

// phrase returns the reason phrase of a status as in RFC 9110; some of net/http are from RFC 2616.
func phrase(status int) string {
	switch status {
	case http.StatusRequestURITooLong:
		return "URI Too Long"
	case http.StatusRequestedRangeNotSatisfiable:
		return "Range Not Satisfiable"
	}
	return http.StatusText(status)
}

// start begins the head of a response.
func (c *connection) start(status int) {
	c.status = status
	c.out = append(c.out[:0], "HTTP/1.1 "...)
	c.out = strconv.AppendInt(c.out, int64(status), 10)
	c.out = append(append(c.out, ' '), phrase(status)...)
	c.field("Server", "esock")
	c.moment("Date", c.date)
	switch {
	case c.last:
		c.field("Connection", "close")
	case c.head.minor == 0:
		c.field("Connection", "keep-alive")
	}
}

// field begins a header with its value, or the first part of it.
func (c *connection) field(name, value string) {
	c.out = append(c.out, "\r\n"...)
	c.out = append(c.out, name...)
	c.out = append(c.out, ": "...)
	c.out = append(c.out, value...)
}

func (c *connection) number(n int64) { c.out = strconv.AppendInt(c.out, n, 10) }

// moment appends a header with a date.
func (c *connection) moment(name string, t time.Time) {
	c.field(name, "")
	c.out = t.UTC().AppendFormat(c.out, http.TimeFormat)
}

// validators appends the headers for conditional requests: ETag and Last-Modified.
func (c *connection) validators(tag []byte, modified time.Time) {
	c.field("ETag", "")
	c.out = append(c.out, tag...)
	// A file's time may be in the future, but Last-Modified must not (RFC 9110, section 8.8.2.1).
	if modified.After(c.date) {
		modified = c.date
	}
	c.moment("Last-Modified", modified)
}

// refuse responds with a status and its phrase.
func (c *connection) refuse(status int) error {
	c.start(status)
	if status == http.StatusMethodNotAllowed {
		c.field("Allow", "GET, HEAD")
	}
	return c.message(status)
}

// message ends a response with the status as its text.
func (c *connection) message(status int) error {
	c.field("Content-Type", "text/plain; charset=utf-8")
	text := make([]byte, 0, 64)
	text = append(strconv.AppendInt(text, int64(status), 10), ' ')
	return c.text(append(append(text, phrase(status)...), '\n'))
}

// text ends a response with a body that is in memory.
func (c *connection) text(body []byte) error {
	c.field("Content-Length", "")
	c.number(int64(len(body)))
	c.out = append(c.out, "\r\n\r\n"...)
	if !c.head.headOnly {
		c.bytes = int64(len(body))
		c.out = append(c.out, body...)
	}
	err := c.send(c.out, 0)
	if cap(c.out) > maxKept {
		c.out = nil
	}
	return err
}

// finish ends a response that has no body.
func (c *connection) finish() error {
	c.out = append(c.out, "\r\n\r\n"...)
	return c.send(c.out, 0)
}

// transmit ends a response with a range of a file. MSG_MORE lets the kernel send the head together with the first bytes of
// the file.
func (c *connection) transmit(f *os.File, part span) error {
	if c.head.headOnly || part.length == 0 {
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
			err = errFileShrank
		}
		return n, err
	})
}

// send sends bytes to the client. It does not use gentcp's Send, which takes neither flags nor a wait.
func (c *connection) send(b []byte, flags esock.MsgFlags) error {
	return c.push(int64(len(b)), func(done, n int64, wait esock.Wait) (int64, error) {
		sent, err := c.sock.Socket().Send(b[done:done+n], flags, wait)
		return int64(sent), err
	})
}

// push sends length bytes to a client that may be slow, and fails once the client has read nothing for Config.Stall. write
// sends n bytes after those done, or as many as it can within the wait. A call that waits does not show when its last byte
// was sent, so only calls for a single byte wait: the time runs from the moment the kernel's buffer was full to the next
// byte that fits.
func (c *connection) push(length int64, write func(done, n int64, wait esock.Wait) (int64, error)) error {
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
