package gentcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/esock-go/esock"
)

// Connect connects to a port of a host: a name, a literal address, "any" or "loopback". mb owns the socket; if mb is nil,
// the socket has no owner and is passive. The family is the first that is given: by a family word, by ip or ifaddr, or by
// the literal address; otherwise it is IPv4. A name is looked up in that family only. Its addresses are tried in turn, each
// with a new socket; w covers all of it. Option tcp_module can change all that. An IPv6 literal in family Inet is ErrNXDomain; an IPv4 literal in Inet6 is its
// mapped address. A zone, as in fe80::1%eth0, is the name or the index of an interface in the network namespace of the
// socket. During the call, the socket closes only if its owner does.
//
// Errors: esock.ErrTimeout when w ends; ETIMEDOUT when the kernel gives up, which it does in the end; ErrBadArg;
// ErrNXDomain; a context's; those of socket(2), setsockopt(2), bind(2) and connect(2) for the last address tried. OTP:
// gen_tcp:connect/3,4.
func Connect(mb *esock.Mailbox, host string, port int, w esock.Wait, opts ...Option) (*Socket, error) {
	name := net.JoinHostPort(host, strconv.Itoa(port))
	c, err := connection(mb, w, opts)
	if err == nil && (port < 0 || port > 65535) {
		err = badPort(port)
	}
	if err != nil {
		return nil, &Error{Op: opConnect, Host: name, Reason: err}
	}
	c.host = name
	w = w.Begin()
	addrs, err := c.resolve(host, uint16(port), w)
	if err != nil {
		return nil, c.failed(opConnect, err)
	}
	return c.connect(addrs, w)
}

// ConnectAddr connects to an address, which may have a scope or be local. It is otherwise like Connect. If the options ask
// for another family, the error is EAFNOSUPPORT. OTP: gen_tcp:connect/2,3.
func ConnectAddr(mb *esock.Mailbox, a esock.Addr, w esock.Wait, opts ...Option) (*Socket, error) {
	c, err := connection(mb, w, opts)
	switch {
	case err != nil:
	case a.Err() != nil:
		err = &badArgument{"address", nil, unfit(a)}
	case !wellFormed(a) || a.Family() == esock.Unspec:
		err = &badArgument{"address", a, "it is no IP address with a port, and no local one"}
	default:
		err = c.settle(a.Family())
	}
	if err != nil {
		return nil, &Error{Op: opConnect, Addr: a, Reason: err}
	}
	if c.addressed = a; a.Family() != c.family {
		return nil, c.failed(opConnect, syscall.EAFNOSUPPORT)
	}
	return c.connect([]esock.Addr{a}, w.Begin())
}

// FDOpen makes a socket from the descriptor of a connection of any family. FD says what closes the descriptor. OTP:
// gen_tcp:fdopen/2.
func FDOpen(mb *esock.Mailbox, fd int, opts ...Option) (*Socket, error) {
	const op = "fdopen"
	c, err := sortOut(mb, atConnect, 0, nil, append(opts[:len(opts):len(opts)], FD(fd)))
	if err != nil {
		return nil, &Error{Op: op, Reason: err}
	}
	sock, err := c.open()
	if err != nil {
		err = c.failed(op, err)
		if e, ok := err.(*Error); ok && e.cause == "" {
			e.cause = "descriptor " + strconv.Itoa(fd)
		}
		return nil, err
	}
	return c.start(sock), nil
}

// badPort refuses a number that is no port.
func badPort(port int) error { return &badArgument{"port", port, "it is not from 0 to 65535"} }

// connection checks the arguments that all ways to connect share.
func connection(mb *esock.Mailbox, w esock.Wait, opts []Option) (*creation, error) {
	if err := checkWait(w); err != nil {
		return nil, err
	}
	return sortOut(mb, atConnect, 0, defaultsAt(atConnect), opts)
}

// resolve returns the module's addresses of a host, and decides the family.
func (c *creation) resolve(host string, port uint16, w esock.Wait) ([]esock.Addr, error) {
	family := esock.Inet
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		family = esock.Inet6
	}
	if err := c.settle(family); err != nil {
		return nil, err
	}
	ctx, free := w.Ends()
	defer free()
	var addrs []esock.Addr
	err := c.inModule(nil, func() (err error) {
		addrs, err = c.module.Resolve(ctx, host, port)
		return err
	})
	switch {
	case err == nil:
	case ctx.Err() == nil, errors.Is(err, ErrNXDomain), errors.Is(err, ErrBadArg):
		return nil, err
	default:
		return nil, w.Ended()
	}
	for _, a := range addrs {
		if a == (esock.Addr{}) {
			return nil, fmt.Errorf("%w: the module has resolved the host to no address: a zero Addr", syscall.EINVAL)
		}
		if a.Err() == nil && (a.Family() != c.family || !wellFormed(a)) { // an invalid one says itself what is wrong with it
			return nil, fmt.Errorf("%w: the module has resolved the host to %v", syscall.EAFNOSUPPORT, a)
		}
	}
	return addrs, nil
}

// connect tries the addresses until one answers or the time is over. An error that is not about the address ends it at once.
func (c *creation) connect(addrs []esock.Addr, w esock.Wait) (*Socket, error) {
	var err error = fmt.Errorf("%w: no address", syscall.EINVAL)
	once := c.fd >= 0
	for _, a := range addrs {
		c.addressed = a
		var sock *esock.Socket
		if sock, err = c.attempt(a, w); err == nil {
			return c.start(sock), nil
		}
		if once || !aboutAddress(err) {
			break
		}
	}
	return nil, c.failed(opConnect, err)
}

// aboutAddress reports whether another address may do after this error: the kernel's refusal, except EINVAL. The others are
// about the options, the owner or the time; a context's errors may be of any type.
func aboutAddress(err error) bool {
	errno, ok := reasonOf(err).(syscall.Errno)
	return ok && errno != syscall.EINVAL
}

// attempt tries one address with a new socket, because Linux does not connect a socket again whose connect failed.
func (c *creation) attempt(a esock.Addr, w esock.Wait) (*esock.Socket, error) {
	sock, err := c.open()
	if err != nil {
		return nil, err
	}
	local, err := c.local(false)
	if err == nil {
		err = c.inModule(sock, func() error { return c.module.Connect(sock, local, a, w) })
	}
	if err != nil {
		sock.Close()
		return nil, err
	}
	return sock, nil
}
