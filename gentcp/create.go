package gentcp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// creation is a checked option list: how the socket is made, and which options are set on it.
type creation struct {
	family   esock.Domain
	given    bool   // by a word or a module
	module   Module // nil: that of the family
	addr     localAddr
	fd       int // -1: none
	backlog  int
	netns    string
	protocol esock.Protocol
	active   any
	settings settings
	system   []Option // for the kernel, in order, raw ones among them
	owner    *esock.Mailbox

	listening bool
	host      string     // that Connect was given, with the port
	addressed esock.Addr // the address tried last, or the one to listen on
}

// localAddr is the address to bind to, built from ip, ifaddr and port in their order. A sockaddr in ifaddr has a port, which
// option port changes, and which an ifaddr without a port removes.
type localAddr struct {
	ip     any // netip.Addr, esock.Any, esock.Loopback, or a local path as esock.Addr; nil: not given
	port   int
	whole  *wholeAddr // the rest of a sockaddr; nil: none
	given  bool       // by ip, ifaddr or port
	family esock.Domain
}

// wholeAddr has the parts of a sockaddr other than its IP address.
type wholeAddr struct {
	port int
	zone string // for an address without a zone that replaces the sockaddr's
}

var familyWords = map[string]esock.Domain{"inet": esock.Inet, "inet6": esock.Inet6, "local": esock.Local}

// sortOut checks an option list for Listen or Connect. The argument port counts as the first option; the default options
// come before the caller's. Errors: ErrBadArg.
func sortOut(mb *esock.Mailbox, where use, port int, defaults, opts []Option) (*creation, error) {
	if mb != nil && mb.Closed() {
		return nil, ownerClosed
	}
	c := newCreation(mb, where, port)
	if err := c.takeAll(where, defaults); err != nil {
		return nil, err
	}
	if err := c.takeAll(where, opts); err != nil {
		return nil, err
	}
	if c.netns != "" && c.fd >= 0 {
		return nil, &badArgument{"netns", c.netns, "a descriptor has its namespace already"}
	}
	if !c.given && c.addr.family != 0 {
		c.family, c.given = c.addr.family, true
	}
	return c, nil
}

// newCreation is the creation without options.
func newCreation(mb *esock.Mailbox, where use, port int) *creation {
	c := &creation{addr: localAddr{port: port}, fd: -1, backlog: defaultBacklog, protocol: esock.TCP, settings: defaults,
		owner: mb, listening: where == atListen}
	c.active = c.delivers()
	return c
}

// takeAll checks options and adds them in their order. Errors: ErrBadArg.
func (c *creation) takeAll(where use, opts []Option) error {
	for i, o := range opts {
		if o.name == "raw" {
			if _, ok := o.value.([]byte); !ok {
				return &badArgument{"raw", o.value, "it takes bytes"}
			}
			c.system = append(c.system, o)
			continue
		}
		r, cause := find(o.name, where)
		if cause != "" {
			return &badArgument{"option", named(o.name), cause}
		}
		if r.name == "inet_backend" && i > 0 {
			return &badArgument{o.name, o.value, "it is not the first option"}
		}
		v, cause := r.check(o.value)
		if cause != "" {
			return &badArgument{o.name, o.value, cause}
		}
		if err := c.take(r, v); err != nil {
			return err
		}
	}
	return nil
}

// take adds one option to the creation.
func (c *creation) take(r *row, v any) error {
	switch r.name {
	case "inet", "inet6", "local":
		c.setModule(moduleOf(familyWords[r.name]))
	case "tcp_module":
		c.setModule(v.(Module))
	case "ip":
		c.addr.setIP(v)
	case "ifaddr":
		c.addr.setIfAddr(v)
	case "port":
		c.addr.setPort(v.(int))
	case "fd":
		c.fd = v.(int)
	case "backlog":
		c.backlog = v.(int)
	case "netns":
		c.netns = v.(string)
	case "protocol":
		c.protocol = map[any]esock.Protocol{ProtocolTCP: esock.TCP, ProtocolMPTCP: esock.MPTCP}[v]
	case "active":
		if !c.delivers() && v != false {
			return &badArgument{"active", v, "the socket has no owner"}
		}
		c.active = v
	default:
		if r.set != nil {
			r.set(&c.settings, v)
		} else if r.setSocket != nil {
			c.system = append(c.system, Option{name: r.name, value: v})
		}
	}
	return nil
}

// delivers reports whether the socket may be active: it has an owner, or it is a listener, whose accepted sockets may have
// one.
func (c *creation) delivers() bool { return c.owner != nil || c.listening }

// setModule sets the module and the family unless an earlier option has set them.
func (c *creation) setModule(m Module) {
	if !c.given {
		c.family, c.given, c.module = m.Family(), true, m
	}
}

// settle decides the family and the module; otherwise is the family if the options do not say. Errors: ErrBadArg.
func (c *creation) settle(otherwise esock.Domain) error {
	if !c.given {
		c.family, c.given = otherwise, true
	}
	if c.module == nil {
		c.module = moduleOf(c.family)
	}
	if c.family == esock.Local && c.addr.port != 0 {
		return &badArgument{"port", c.addr.port, "a local address has no port"}
	}
	return nil
}

func (a *localAddr) setIP(v any) {
	a.given = true
	if sa, ok := v.(esock.Addr); ok && sa.IP().IsValid() {
		v = sa.AddrPort().Addr() // with its zone
	}
	a.ip = v
	a.note(v)
}

func (a *localAddr) setIfAddr(v any) {
	a.whole = nil
	if sa, ok := v.(esock.Addr); ok && sa.IP().IsValid() {
		a.whole = &wholeAddr{int(sa.Port()), sa.Zone()}
	}
	a.setIP(v)
}

func (a *localAddr) setPort(n int) {
	a.given = true
	if a.whole != nil {
		a.whole.port = n
	} else {
		a.port = n
	}
}

// note records the family that the address implies.
func (a *localAddr) note(v any) {
	switch v := v.(type) {
	case netip.Addr:
		a.family = esock.Inet
		if v.Is6() {
			a.family = esock.Inet6
		}
	case esock.Addr:
		a.family = 0
		if v != esock.Any && v != esock.Loopback {
			a.family = v.Family()
		}
	}
}

// bindAddr is the address to bind a socket of the family to. Errors: EAFNOSUPPORT.
func (a *localAddr) bindAddr(d esock.Domain) (esock.Addr, error) {
	path, _ := a.ip.(esock.Addr)
	isPath := path.Family() == esock.Local
	switch {
	case d == esock.Local && a.ip == nil:
		return esock.UnixAddr(""), nil // Linux chooses an abstract name
	case d == esock.Local && isPath:
		return path, nil
	case d == esock.Local:
		return esock.Addr{}, fmt.Errorf("%w: the socket is local, and its address is not a path", syscall.EAFNOSUPPORT)
	case isPath:
		return esock.Addr{}, fmt.Errorf("%w: the local address is a path, and the socket is %v", syscall.EAFNOSUPPORT, d)
	}
	ip := a.address(d)
	switch {
	case ip.Is4() != (d == esock.Inet):
		return esock.Addr{}, fmt.Errorf("%w: the local address is %v, and the socket is %v", syscall.EAFNOSUPPORT, ip, d)
	case a.whole == nil:
		return inetAddr(ip, a.port), nil
	case ip.Is6() && ip.Zone() == "":
		ip = ip.WithZone(a.whole.zone)
	}
	return inetAddr(ip, a.whole.port), nil
}

// address is the IP address. A word, or no address, becomes one of the family.
func (a *localAddr) address(d esock.Domain) netip.Addr {
	if ip, ok := a.ip.(netip.Addr); ok {
		return ip
	}
	switch loopback := a.ip == esock.Loopback; {
	case loopback && d == esock.Inet6:
		return netip.IPv6Loopback()
	case loopback:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case d == esock.Inet6:
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// inetAddr joins an IP address and a port. The socket looks up the name of a zone, in its network namespace.
func inetAddr(ip netip.Addr, port int) esock.Addr {
	return esock.AddrFrom(netip.AddrPortFrom(ip, uint16(port)))
}

// open makes the esock socket and sets its options. It does not bind it.
func (c *creation) open() (*esock.Socket, error) {
	protocol := c.protocol
	if c.family == esock.Local && protocol == esock.TCP {
		protocol = esock.Default
	}
	opts := []esock.OpenOption{esock.Owner(c.owner)}
	if c.netns != "" {
		opts = append(opts, esock.NetNS(c.netns))
	}
	var sock *esock.Socket
	var err error
	if c.fd >= 0 {
		sock, err = c.adopt(opts)
	} else {
		sock, err = esock.Open(c.family, esock.Stream, protocol, opts...)
		if errors.Is(err, syscall.EPROTONOSUPPORT) {
			err = fmt.Errorf("%w: the family %v has no protocol %v", syscall.EPROTONOSUPPORT, c.family, protocol)
		}
	}
	if err != nil {
		if errors.Is(err, &esock.InvalidError{What: "owner"}) {
			err = closedHere // the owner was closed a moment ago, and closed the socket
		}
		return nil, err
	}
	for _, o := range c.system {
		if o.name == "raw" {
			err = sock.SetOptionNative(o.level, o.opt, o.value.([]byte))
		} else if r := rows[o.name]; !r.suits(sock) {
			err = invalid("option", o.name, "it is not for "+sock.Domain().String()+" sockets")
		} else {
			err = r.setSocket(sock, o.value)
		}
		if err != nil {
			sock.Close()
			return nil, err
		}
	}
	return sock, nil
}

// adopt makes the socket from a descriptor. It does not touch a descriptor that is not a socket.
func (c *creation) adopt(opts []esock.OpenOption) (*esock.Socket, error) {
	typ, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		c.fd = -1
		return nil, err
	}
	if typ != syscall.SOCK_STREAM {
		c.fd = -1
		return nil, &badArgument{"fd", typ, "the type is not stream"}
	}
	sock, err := esock.Adopt(c.fd, append(opts, esock.TakeFD())...)
	if err == nil {
		c.fd = -1 // the socket owns it
	}
	return sock, err
}

// inModule runs a call of the module, which may change the socket, if there is one already, and returns its error. Should the
// module panic, the socket or the descriptor of option fd is closed first. Errors: EINVAL if the socket has another owner.
func (c *creation) inModule(sock *esock.Socket, call func() error) error {
	returned := false
	defer func() {
		switch {
		case returned:
		case sock != nil:
			sock.Close()
		case c.fd >= 0:
			syscall.Close(c.fd)
		}
	}()
	err := plain.Sound("the module", call())
	if err == nil && sock != nil && sock.Owner() != c.owner && !sock.Closed() {
		err = invalid("tcp_module", nil, "the module has changed the owner of the socket")
	}
	returned = true
	return err
}

// failed is the error of an operation that made no socket. It closes the descriptor of option fd, except after ErrBadArg.
func (c *creation) failed(op string, err error) error {
	if c.fd >= 0 && !errors.Is(err, ErrBadArg) {
		syscall.Close(c.fd)
	}
	err = (*Socket)(nil).fail(op, err)
	e, ok := err.(*Error)
	if !ok {
		e = &Error{Op: op, Reason: err}
	}
	if e.cause == "" && errors.Is(err, ErrNXDomain) {
		e.cause = "it has no " + c.family.String() + " address"
		if strings.HasPrefix(c.host, ":") {
			e.cause = "its name is empty"
		}
	}
	e.Host, e.Addr = c.host, c.addressed
	return e
}

// local returns the address to bind to, if one was given or always is true; otherwise the zero Addr.
func (c *creation) local(always bool) (esock.Addr, error) {
	if !c.addr.given && !always {
		return esock.Addr{}, nil
	}
	return c.addr.bindAddr(c.family)
}

// start makes the Socket around the finished esock socket, and starts its active mode.
func (c *creation) start(sock *esock.Socket) *Socket {
	o := c.settings
	s := newSocket(sock, c.owner, c.listening, &o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.delivers() {
		s.delivery.SetActive(c.active) // the value was checked
		s.delivery.Deliver()
	}
	return s
}
