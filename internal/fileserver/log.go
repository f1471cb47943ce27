package fileserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// clientOf returns the address of a client, for the log. A client may have reset the connection already, after its request.
func clientOf(sock *gentcp.Socket) string {
	a, err := sock.PeerName()
	switch {
	case err != nil:
		return peerOf(sock.Socket())
	case a.Family() == esock.Local:
		return "unix:"
	}
	return sock.Socket().NameZone(a).AddrPort().Addr().String()
}

// peerOf returns the address of the peer of a connection that may have been reset, "-" if it is unknown. The kernel still
// knows it: SO_PEERNAME, unlike getpeername(2), gives it for a closed connection.
func peerOf(sock *esock.Socket) string {
	var name [unix.SizeofSockaddrInet6]byte
	for _, at := range []struct{ size, from, to int }{
		{unix.SizeofSockaddrInet6, 8, 24}, {unix.SizeofSockaddrInet4, 4, 8}, // the kernel refuses a size larger than its own
	} {
		n, err := sock.GetOptionNative(unix.SOL_SOCKET, unix.SO_PEERNAME, name[:at.size])
		if err != nil || n < at.size {
			continue
		}
		ip, _ := netip.AddrFromSlice(name[at.from:at.to])
		return ip.Unmap().String()
	}
	return "-"
}

// logEntry is a request and its response, for the log.
type logEntry struct {
	request       string // up to the status of the response
	bytes, length int64  // of the body: sent, and to be sent; -1: unknown
}

// line is the entry in the Common Log Format. If the response could not be sent to its end, err says why, and the line goes on
// with that: the status and the bytes alone would look like a complete response.
func (e *logEntry) line(err error) string {
	line := fmt.Sprintf("%s %d", e.request, e.bytes)
	if err != nil {
		line += fmt.Sprintf(" aborted: %s after %d", abortion(err), e.bytes)
		if e.length >= 0 {
			line += fmt.Sprintf(" of %d", e.length)
		}
		line += " bytes"
	}
	return line + "\n"
}

// logRequest logs a request whose response was sent, or failed. A short response is all in the kernel's buffer, and its entry
// is held until it is known whether the client's system has it.
func (c *connection) logRequest(err error) {
	if c.log == nil {
		return
	}
	// The request line is quoted, so that a client cannot write a quote or a control character into the log.
	first := strconv.Quote(string(c.head.first))
	first = `"` + strings.ReplaceAll(first[1:len(first)-1], `\"`, `\x22`) + `"`
	e := logEntry{fmt.Sprintf("%s - - [%s] %s %d", c.client, c.date.Format("02/Jan/2006:15:04:05 -0700"), first, c.status), c.bytes, c.length}
	if err == nil && c.bytes > 0 && c.bytes < longBody {
		c.held.hold(e)
		return
	}
	c.write(e.line(err))
}

// write writes a line of the log.
func (s *Server) write(line string) {
	s.logging.Lock()
	defer s.logging.Unlock()
	s.log.Write([]byte(line)) // an error is ignored: there is nowhere to report it
}

// settling is how long an entry is held if nothing happens on its connection: longer than a system delays an acknowledgement.
const settling = 250 * time.Millisecond

// heldEntry is the entry of a short response of which it is not known yet whether it has arrived.
type heldEntry struct {
	write func(line string)
	left  func() (int, error) // the bytes that the client's system has not confirmed

	mu    sync.Mutex
	entry *logEntry   // nil: none
	timer *time.Timer // calls settle; nil: none yet
}

func (h *heldEntry) hold(e logEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entry = &e
	if h.timer == nil {
		h.timer = time.AfterFunc(settling, h.settle)
		return
	}
	h.timer.Reset(settling)
}

// settle logs the entry if the response was confirmed. Otherwise the end of the connection shows whether it was.
func (h *heldEntry) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entry == nil {
		return
	}
	if left, err := h.left(); err == nil && left > 0 {
		return
	}
	h.write(h.entry.line(nil))
	h.entry = nil
}

// release logs the entry. err is why the connection ended after the response, nil if the client has gone on. end is how many
// bytes were sent after the response: the end itself counts as one until it is confirmed.
func (h *heldEntry) release(err error, end int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entry == nil {
		return
	}
	h.timer.Stop()
	left := 0
	if err != nil && !errors.Is(err, io.EOF) {
		left, _ = h.left() // 0 once the socket is closed
		left = max(left-end, 0)
	}
	if left == 0 {
		err = nil
	}
	h.entry.bytes = max(h.entry.bytes-int64(left), 0)
	h.write(h.entry.line(err))
	h.entry = nil
}

// abortion says why a response was not sent to its end.
func abortion(err error) string {
	switch {
	case errors.Is(err, errFileShrank):
		return "the file ended"
	case timedOut(err):
		return "the client stopped reading"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOTCONN):
		return "the client left"
	case errors.Is(err, net.ErrClosed):
		return "the server ended"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
