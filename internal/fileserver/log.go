package fileserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

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

// logRequest logs a request as a line in the Common Log Format. If the response could not be sent to its end, err says why,
// and the line goes on with that: the status and the bytes alone would look like a complete response.
func (c *connection) logRequest(err error) {
	if c.log == nil {
		return
	}
	// The request line is quoted, so that a client cannot write a quote or a control character into the log.
	first := strconv.Quote(string(c.head.first))
	first = `"` + strings.ReplaceAll(first[1:len(first)-1], `\"`, `\x22`) + `"`
	line := fmt.Sprintf("%s - - [%s] %s %d %d", c.client, c.date.Format("02/Jan/2006:15:04:05 -0700"), first, c.status, c.bytes)
	if err != nil {
		line += fmt.Sprintf(" aborted: %s after %d", abortion(err), c.bytes)
		if c.length >= 0 {
			line += fmt.Sprintf(" of %d", c.length)
		}
		line += " bytes"
	}
	c.logging.Lock()
	defer c.logging.Unlock()
	c.log.Write([]byte(line + "\n")) // an error is ignored: there is nowhere to report it
}

// abortion says why a response was not sent to its end.
func abortion(err error) string {
	switch {
	case errors.Is(err, errFileShrank):
		return "the file ended"
	case timedOut(err):
		return "the client stopped reading"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
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
