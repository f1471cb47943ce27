package fileserver

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"
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
	head := int64(len(c.out))
	if !c.head.headOnly {
		c.length = int64(len(body))
		c.out = append(c.out, body...)
	}
	sent, err := c.send(c.out, false)
	c.bytes = max(sent-head, 0)
	if cap(c.out) > maxKept {
		c.out = nil
	}
	return err
}

// finish ends the head of a response, and with it the response unless a body follows.
func (c *connection) finish(more bool) error {
	c.out = append(c.out, "\r\n\r\n"...)
	_, err := c.send(c.out, more)
	return err
}

// transmit ends a response with a part of a file.
func (c *connection) transmit(f *os.File, part span) error {
	if c.head.headOnly || part.length == 0 {
		return c.finish(false)
	}
	c.length = part.length
	err := c.finish(true)
	if err == nil {
		c.bytes, err = c.sendFile(f, part)
	}
	return err
}
