package gentcp

import (
	"fmt"
	"net"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Service returns the port of a named service, such as "http". Errors: EINVAL for an unknown name.
func Service(name string) (int, error) {
	port, err := net.LookupPort("tcp", name)
	if err != nil || port == 0 {
		return 0, &Error{Op: "service", Reason: invalid("service", name, "it is not known")}
	}
	return port, nil
}

// Listen makes a listener on a port. For port 0 the kernel chooses one, which Socket.Port returns. It listens on all
// interfaces, unless ip or ifaddr is given. mb owns the listener: closing mb closes it; nil: no owner. Options about packets
// and the active mode apply to accepted sockets. Errors: ErrBadArg; those of socket(2), setsockopt(2), bind(2), listen(2).
// OTP: gen_tcp:listen/2.
func Listen(mb *esock.Mailbox, port int, opts ...Option) (*Socket, error) {
	const op = opListen
	if port < 0 || port > 65535 {
		return nil, &Error{Op: op, Reason: badPort(port)}
	}
	c, err := sortOut(mb, atListen, port, defaultsAt(atListen), opts)
	if err == nil {
		err = c.settle(esock.Inet)
	}
	if err != nil {
		return nil, &Error{Op: op, Reason: err}
	}
	c.addressed, _ = c.addr.bindAddr(c.family) // for the errors
	adopted := c.fd >= 0
	sock, err := c.open()
	if err != nil {
		return nil, c.failed(op, err)
	}
	// An adopted descriptor is bound already, unless an address is given too.
	local, err := c.local(!adopted || port != 0)
	if err == nil {
		err = c.inModule(sock, func() error { return c.module.Listen(sock, local, c.backlog) })
	}
	if err != nil {
		sock.Close()
		return nil, c.failed(op, err)
	}
	return c.start(sock), nil
}

// Accept takes a connection from a listener. mb owns the new socket; if mb is nil, the socket has no owner and is passive.
// The socket has the listener's present options. Any number of calls may wait; they get connections in the order they came.
// Errors: ErrClosed when the listener is closed, also during the call; esock.ErrTimeout; a context's; EINVAL on a socket
// that does not listen; ErrBadArg; those of accept(2), EMFILE among them. OTP: gen_tcp:accept/1,2.
func (s *Socket) Accept(mb *esock.Mailbox, w esock.Wait) (*Socket, error) {
	const op = "accept"
	switch {
	case !s.made():
		return nil, notMade(op)
	case checkWait(w) != nil:
		return nil, s.fail(op, checkWait(w))
	case mb != nil && mb.Closed():
		return nil, s.fail(op, ownerClosed)
	case !s.delivery.Listener():
		if s.sock.Closed() {
			return nil, s.fail(op, closedHere)
		}
		return nil, s.fail(op, fmt.Errorf("%w: the socket is not a listener", syscall.EINVAL))
	}
	s.mu.Lock()
	c := creation{owner: mb, settings: *s.opts.Load(), active: s.delivery.Active()}
	s.mu.Unlock()
	if mb == nil {
		c.active = false
	}
	sock, err := s.sock.Accept(w)
	if err != nil {
		return nil, s.fail(op, err)
	}
	// Linux lets an accepted socket inherit all options but this one.
	if priority, err := sockopt.SocketPriority.Get(s.sock); err == nil && priority > 0 {
		sockopt.SocketPriority.Set(sock, priority)
	}
	if mb != nil {
		if err := sock.ControllingProcess(nil, mb); err != nil || sock.Closed() {
			sock.Close()
			return nil, s.fail(op, ownerClosed)
		}
	}
	return c.start(sock), nil
}
