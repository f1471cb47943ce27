package netconn

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Dialer says how to connect. The zero value connects as package net does, but for the order of RFC 8305.
type Dialer struct {
	Timeout   time.Duration // for everything, names included; 0: none but the context's; negative: it is over
	Deadline  time.Time     // as Timeout, as a moment; the earlier counts
	LocalAddr net.Addr      // a *net.TCPAddr, *net.UDPAddr, *net.IPAddr or *net.UnixAddr to bind to; nil: the kernel's choice

	// AttemptDelay is how long an attempt to one of several addresses is alone before the next one starts beside it; 0 stands
	// for 250 ms. A negative one tries one address after the other. The families alternate. RFC 8305, sections 4 and 5. It
	// counts for each address, while net.Dialer.FallbackDelay, of RFC 6555, counts once for a whole family.
	AttemptDelay time.Duration

	// KeepAlive is how long a TCP connection is idle before its first probe, 0 for 15 seconds; negative: no probes. It has no
	// effect if KeepAliveConfig has Enable. A value that Linux refuses, such as more than 32,767 seconds or 127 probes, has no
	// effect either, nor have the values behind it in KeepAliveConfig: SetKeepAliveConfig says so.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig // probes in detail

	Resolver *net.Resolver // nil: net.DefaultResolver

	// Control is called with each new socket before it is bound and connected, nil for nothing. network is "tcp4", "udp6",
	// "unix" or the like, and address the one address of this attempt.
	Control func(ctx context.Context, network, address string, s *esock.Socket) error

	// FastOpen sends the first data of a TCP connection with the first packet, if the server has given this host a cookie
	// before: TCP_FASTOPEN_CONNECT, RFC 7413. Dial may then return before the server has answered, and nothing goes out before
	// the first Write. So Read and Write return what would have been Dial's error, other addresses of the name are not tried,
	// and it is not for protocols in which the server speaks first.
	FastOpen bool

	MPTCP      bool // TCP: MPTCP, where the kernel has it; RFC 8684
	Registered bool // the socket is in the registry of package esock

	OpenOptions []esock.OpenOption // for esock.Open: a network namespace, or a host of package esocktest; nil for none
}

// Dial connects as the zero Dialer does.
func Dial(network, address string) (net.Conn, error) { return Dialer{}.Dial(network, address) }

// DialTimeout is Dial with a time limit for everything, names included; 0: none.
func DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	return Dialer{Timeout: timeout}.Dial(network, address)
}

// Dial is DialContext without a context.
func (d Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address of "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixpacket", "unixgram", or
// "ip", "ip4" or "ip6" with a protocol, as in "ip4:icmp"; written as for net.Dial. The result is a Conn: a *TCPConn for tcp,
// a *UDPConn for udp, a *UnixConn for unix and unixpacket, a *UnixgramConn for unixgram, and an *IPConn for ip. The end of
// ctx ends the attempt, and does nothing to a connection.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx == nil {
		return nil, wrap("dial", network, d.LocalAddr, nil, errNilContext)
	}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	n, err := parseNetwork(network)
	if err != nil {
		return nil, wrap("dial", network, nil, nil, err)
	}
	a, err := d.plan(ctx, n, address)
	if err != nil {
		return nil, wrap("dial", network, nil, nil, err)
	}
	defer a.end()
	return a.run()
}

// limit is the context with the dialer's own limits.
func (d *Dialer) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline := d.Deadline
	if d.Timeout != 0 {
		if t := time.Now().Add(d.Timeout); deadline.IsZero() || t.Before(deadline) {
			deadline = t
		}
	}
	if deadline.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline)
}

// plan finds the addresses to try.
func (d *Dialer) plan(ctx context.Context, n network, address string) (*attempts, error) {
	r := d.Resolver
	if r == nil {
		r = net.DefaultResolver
	}
	found, err := n.resolve(ctx, r, address)
	if err != nil {
		return nil, err
	}
	if address == "" {
		return nil, errMissingAddress
	}
	a := &attempts{d: *d, ctx: ctx, n: n, left: found}
	if d.LocalAddr != nil {
		local, err := n.local(d.LocalAddr)
		if err != nil {
			return nil, err
		}
		a.local = local
		if local != nil && local.ip.IsValid() && !local.ip.IsUnspecified() {
			a.left = slices.DeleteFunc(found, func(e endpoint) bool {
				return e.ip.IsValid() && !e.ip.IsUnspecified() && e.ip.Is4() != local.ip.Is4()
			})
		}
		if len(a.left) == 0 {
			return nil, unsuitable(d.LocalAddr)
		}
	}
	a.left = alternate(a.left)
	return a, nil
}

// alternate orders addresses so that the families take turns, and that of the first is first; RFC 8305, section 4.
func alternate(in []endpoint) []endpoint {
	if len(in) == 1 {
		return in
	}
	var first, second []endpoint
	for _, e := range in {
		if e.ip.Is4() == in[0].ip.Is4() {
			first = append(first, e)
		} else {
			second = append(second, e)
		}
	}
	var out []endpoint
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out
}

// attempts connects to the addresses of a name. All attempts belong to one mailbox, in which their news arrive, so that the
// calling goroutine serves them all.
type attempts struct {
	d     Dialer
	ctx   context.Context
	n     network
	local *endpoint
	left  []endpoint
	open  []*attempt
	mb    *esock.Mailbox // made when two are open
	first error          // what DialContext returns if none succeeds
}

// attempt is a connection attempt to one address.
type attempt struct {
	e endpoint
	s *esock.Socket
}

const defaultAttemptDelay = 250 * time.Millisecond // RFC 8305, section 5

// run makes the attempts. The first that succeeds is the result.
func (a *attempts) run() (net.Conn, error) {
	if len(a.left) == 1 || a.n.typ != esock.Stream || a.d.AttemptDelay < 0 {
		return a.serial()
	}
	return a.race()
}

// serial tries one address after the other, and divides the time among those that are left.
func (a *attempts) serial() (net.Conn, error) {
	for i, e := range a.left {
		if err := a.ctx.Err(); err != nil {
			a.first = nil
			a.failed(e, dialReason("connect", err))
			break
		}
		c, err := a.share(e, len(a.left)-i)
		if err == nil {
			return c, nil
		}
		a.failed(e, err)
	}
	return nil, a.first
}

// share tries one address within its share of the time, of which so many addresses are left.
func (a *attempts) share(e endpoint, left int) (net.Conn, error) {
	if deadline, ok := a.ctx.Deadline(); ok && left > 1 {
		ctx, cancel := context.WithDeadline(a.ctx, shareOf(time.Now(), deadline, left))
		defer cancel()
		return a.one(ctx, e)
	}
	return a.one(a.ctx, e)
}

// leastShare is the time that an attempt has at least, if there is so much: as in package net.
const leastShare = 2 * time.Second

// shareOf is when the attempt to the first of so many addresses ends.
func shareOf(now, deadline time.Time, left int) time.Time {
	rest := deadline.Sub(now)
	return now.Add(max(rest/time.Duration(left), min(rest, leastShare)))
}

// one tries one address, and waits for the result.
func (a *attempts) one(ctx context.Context, e endpoint) (net.Conn, error) {
	for try := 0; ; try++ {
		s, err := a.prepare(ctx, e)
		if err != nil {
			return nil, err
		}
		if err := s.Connect(e.addr(s.Domain()), esock.Context(ctx)); err != nil {
			s.Close()
			return nil, dialReason("connect", err)
		}
		c, err := a.finish(s, e)
		if err != errItself || try == 2 {
			return c, err
		}
	}
}

// race starts an attempt whenever the last one has failed or has been alone for long enough.
func (a *attempts) race() (net.Conn, error) {
	delay := a.d.AttemptDelay
	if delay == 0 {
		delay = defaultAttemptDelay
	}
	a.mb = esock.NewMailbox()
	for len(a.left) > 0 || len(a.open) > 0 {
		if len(a.left) > 0 {
			e := a.left[0]
			a.left = a.left[1:]
			if c := a.start(e); c != nil {
				return c, nil
			}
		}
		if c, ended := a.await(delay); c != nil {
			return c, nil
		} else if ended {
			break
		}
	}
	return nil, a.first
}

// start begins an attempt, and returns its connection if it is there at once.
func (a *attempts) start(e endpoint) net.Conn {
	s, err := a.prepare(a.ctx, e)
	if err != nil {
		a.failed(e, err)
		return nil
	}
	t := &attempt{e: e, s: s}
	a.open = append(a.open, t)
	return a.judge(t, s.Connect(e.addr(s.Domain()), esock.NoWait(a.mb)))
}

// judge takes the result of a call for an attempt, and returns the connection if there is one.
func (a *attempts) judge(t *attempt, err error) net.Conn {
	var pending *esock.Select
	if errors.As(err, &pending) {
		return nil
	}
	a.open = slices.DeleteFunc(a.open, func(o *attempt) bool { return o == t })
	if err != nil {
		t.s.Close()
		a.failed(t.e, dialReason("connect", err))
		return nil
	}
	c, err := a.finish(t.s, t.e)
	if err != nil {
		a.failed(t.e, err)
		return nil
	}
	return c
}

// await waits for news until the next attempt is due: the delay has passed, or the attempt that began last has failed.
func (a *attempts) await(delay time.Duration) (c net.Conn, ended bool) {
	ctx := a.ctx
	if len(a.left) > 0 {
		if len(a.open) == 0 {
			return nil, a.over()
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, delay)
		defer cancel()
	}
	for len(a.open) > 0 {
		m, err := a.mb.Receive(ctx)
		if err != nil {
			return nil, a.over()
		}
		i := slices.IndexFunc(a.open, func(t *attempt) bool { return t.s == m.Socket() })
		if i < 0 {
			continue
		}
		t := a.open[i]
		if c := a.judge(t, t.s.FinishConnect(esock.NoWait(a.mb))); c != nil {
			return c, false
		}
		if len(a.left) > 0 && !slices.Contains(a.open, t) {
			return nil, a.over()
		}
	}
	return nil, a.over()
}

// over reports whether the context has ended, which is then the error.
func (a *attempts) over() bool {
	err := a.ctx.Err()
	if err != nil && len(a.open) > 0 {
		a.first = nil
		a.failed(a.open[0].e, dialReason("connect", err))
	}
	return err != nil
}

// failed notes why an attempt failed. The first of them is the result if none succeeds.
func (a *attempts) failed(e endpoint, err error) {
	if a.first == nil {
		a.first = wrap("dial", a.n.name, a.d.LocalAddr, a.n.netAddr(e), err)
	}
}

// end closes what is not the result.
func (a *attempts) end() {
	for _, t := range a.open {
		t.s.Close()
	}
	a.mb.Close()
}

// prepare opens a socket for an attempt, and binds it if that is asked for.
func (a *attempts) prepare(ctx context.Context, e endpoint) (_ *esock.Socket, err error) {
	if err := ctx.Err(); err != nil {
		return nil, dialReason("connect", err)
	}
	dom := a.n.domain(e)
	if a.local != nil && a.local.ip.Is6() && !e.ip.IsValid() {
		dom = esock.Inet6
	}
	s, err := a.n.open(dom, a.d.MPTCP, a.d.Registered, a.d.OpenOptions)
	if err != nil {
		return nil, reason("socket", err)
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	switch {
	case a.n.family == "udp", a.n.family == "ip":
		err = sockopt.SocketBroadcast.Set(s, true)
	case a.d.FastOpen && a.n.family == "tcp":
		err = sockopt.TCPFastOpenConnect.Set(s, true)
	}
	if err != nil {
		return nil, reason("setsockopt", err)
	}
	if a.d.Control != nil {
		if err := a.d.Control(ctx, controlNetwork(a.n, dom), a.n.netAddr(e).String(), s); err != nil {
			return nil, err
		}
	}
	if a.local != nil && (a.n.family != "unix" || a.local.path != "") {
		if a.local.bad != nil {
			return nil, reason("bind", a.local.bad)
		}
		if err := s.Bind(a.local.addr(dom)); err != nil {
			return nil, reason("bind", err)
		}
	}
	return s, nil
}

// errItself is the error of a connection that is its own peer: nobody listens on the port, and the kernel chose it for this
// end.
var errItself = os.NewSyscallError("connect", syscall.ECONNREFUSED)

// finish makes the connection of a connected socket, or closes it.
func (a *attempts) finish(s *esock.Socket, e endpoint) (net.Conn, error) {
	c, err := a.made(s)
	if err != nil {
		s.Close()
		return nil, err
	}
	b := c.base()
	if b.peer == nil { // it has gone already, or the first data will connect (TCP_FASTOPEN_CONNECT)
		b.peer = a.n.netAddr(e)
	}
	if a.n.family == "tcp" && (a.local == nil || a.local.port == 0) && same(b.local, b.peer) {
		s.Close()
		return nil, errItself
	}
	return c, nil
}

func (a *attempts) made(s *esock.Socket) (based, error) {
	if a.n.family == "tcp" {
		// As in package net, a connection does without what the kernel refuses here.
		sockopt.TCPNoDelay.Set(s, true)
		if cfg := keepAlive(a.d.KeepAlive, a.d.KeepAliveConfig); cfg.Enable {
			setKeepAlive(s, cfg)
		}
	}
	return newConn(s, a.n.word)
}

// same reports whether two addresses of TCP are equal.
func same(a, b net.Addr) bool {
	x, ok := a.(*net.TCPAddr)
	y, also := b.(*net.TCPAddr)
	return ok && also && x.Port == y.Port && x.IP.Equal(y.IP)
}
