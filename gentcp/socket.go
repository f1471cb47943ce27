package gentcp

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/internal/layered"
	"github.com/esock-go/esock/sockopt"
)

// Socket is a listener or a connection. Its methods are safe for concurrent use: packets of several senders never mix, and
// receivers and acceptors are served in the order they came. Close may be called at any time.
//
// Only functions of this package make sockets. On a nil pointer or the zero value, methods return ErrBadArg, or the zero
// value if they return no error.
type Socket struct {
	sock      *esock.Socket
	opts      atomic.Pointer[settings]
	shutting  atomic.Int32 // how many calls of Shutdown that end sending are in progress
	shutWrite atomic.Bool  // one has

	mu       sync.Mutex // guards what follows; held over system calls only where they do not wait
	delivery active.Delivery
	input    input
}

// newSocket makes a Socket around an esock socket.
func newSocket(sock *esock.Socket, mb *esock.Mailbox, listening bool, o *settings) *Socket {
	layered.Mark(sock)
	s := &Socket{sock: sock}
	s.delivery.Init(&s.mu, sock, (*source)(s), mb, listening)
	s.opts.Store(o)
	s.input.restart(o)
	return s
}

// made reports whether a function of this package made the socket. Every exported method checks it first.
func (s *Socket) made() bool { return s != nil && s.sock != nil }

// notMade is the error of a method on a socket that no function of this package made.
func notMade(op string) error {
	return &Error{Op: op, Reason: &badArgument{"socket", nil, "no function of this package made it"}}
}

// Socket returns the esock socket beneath, which has more options, and the counters. What is received from it directly is
// missing here.
func (s *Socket) Socket() *esock.Socket {
	if !s.made() {
		return nil
	}
	return s.sock
}

// String formats the socket like the esock socket beneath.
func (s *Socket) String() string {
	if !s.made() {
		return "no socket"
	}
	return s.sock.String()
}

// Owner returns the mailbox that owns the socket, nil if it has no owner.
func (s *Socket) Owner() *esock.Mailbox {
	if !s.made() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivery.Owner()
}

// Open reports whether the socket is open. Close, the owner's end, and with exit_on_close the end of the stream close it.
func (s *Socket) Open() bool { return s.made() && !s.sock.Closed() }

// SocketOf returns the socket of a message of this package, nil for other messages.
func SocketOf(msg esock.Message) *Socket {
	switch m := msg.(type) {
	case TCPMsg:
		return m.Sock
	case HTTPMsg:
		return m.Sock
	case PortMsg:
		return m.Sock
	case PassiveMsg:
		return m.Sock
	case ClosedMsg:
		return m.Sock
	case ErrorMsg:
		return m.Sock
	}
	return nil
}

// About reports whether a message is about this socket. It is a match for Mailbox.ReceiveMatch and PollMatch.
func (s *Socket) About(msg esock.Message) bool { return s != nil && SocketOf(msg) == s }

// SockName returns the local address. Errors: ErrClosed. OTP: inet:sockname/1.
func (s *Socket) SockName() (esock.Addr, error) {
	if !s.made() {
		return esock.Addr{}, notMade("sockname")
	}
	a, err := s.sock.SockName()
	return a, s.fail("sockname", err)
}

// PeerName returns the peer's address. Errors: ENOTCONN, also after both ends have finished; ErrClosed. OTP:
// inet:peername/1.
func (s *Socket) PeerName() (esock.Addr, error) {
	if !s.made() {
		return esock.Addr{}, notMade("peername")
	}
	a, err := s.sock.PeerName()
	return a, s.fail("peername", err)
}

// Port returns the local port. It is 0 for a local socket, whose path SockName returns. OTP: inet:port/1.
func (s *Socket) Port() (int, error) {
	if !s.made() {
		return 0, notMade("port")
	}
	a, err := s.sock.SockName()
	if err != nil {
		return 0, s.fail("port", err)
	}
	return int(a.Port()), nil
}

// Monitor sends mb one esock.DownMsg when the socket is closed. OTP: inet:monitor/1.
func (s *Socket) Monitor(mb *esock.Mailbox) (*esock.Monitor, error) {
	switch {
	case !s.made():
		return nil, notMade("monitor")
	case mb == nil:
		return nil, s.fail("monitor", &badArgument{"mailbox", nil, "it is nil"})
	}
	m, err := s.sock.Monitor(mb)
	return m, s.fail("monitor", err)
}

// Shutdown ends one direction or both. After ShutWrite the peer reads what was sent and then the end, and Send returns
// ErrClosed. After ShutRead data that has arrived, or still arrives, is delivered before the end. ShutRead on a listener
// ends listening: Accept returns EINVAL, also in calls that wait. Errors: ENOTCONN, also after both ends have finished;
// ErrClosed. OTP: gen_tcp:shutdown/2.
func (s *Socket) Shutdown(how esock.How) error {
	if !s.made() {
		return notMade("shutdown")
	}
	if how == esock.ShutRead {
		return s.fail("shutdown", s.sock.Shutdown(how))
	}
	// Set before the system call, for a Send that the kernel refuses. It is a count, so that a Shutdown that fails does not
	// undo another.
	s.shutting.Add(1)
	defer s.shutting.Add(-1)
	err := s.sock.Shutdown(how)
	if err == nil {
		s.shutWrite.Store(true)
	}
	return s.fail("shutdown", err)
}

// sendingEnded reports whether Shutdown has ended sending, or is in progress.
func (s *Socket) sendingEnded() bool { return s.shutWrite.Load() || s.shutting.Load() > 0 }

// Close closes the socket for its owner, which gets no message. Calls that wait on the socket return ErrClosed. With option
// linger on, Close waits for unsent data. Sent data reaches the peer unless the connection breaks; to be sure, call
// Shutdown(ShutWrite) and wait for the peer's end. On a made socket it returns nil, also a second time. OTP:
// gen_tcp:close/1.
func (s *Socket) Close() error {
	if !s.made() {
		return notMade("close")
	}
	s.close(nil, false)
	return nil
}

// CloseFrom closes the socket for a caller that is not the owner: in an active mode the owner gets ClosedMsg. OTP:
// gen_tcp:close/1, called by another process.
func (s *Socket) CloseFrom(mb *esock.Mailbox) error {
	if !s.made() {
		return notMade("close")
	}
	s.close(mb, true)
	return nil
}

// close closes the socket: for mb if named, otherwise for the owner.
func (s *Socket) close(mb *esock.Mailbox, named bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivery.Close(named && s.delivery.Owner() != mb, func() { s.sock.Close() }) // linger may delay it
}

// closeQuietly closes the esock socket after the peer's end, without waiting for unsent data.
func (s *Socket) closeQuietly() {
	s.dontLinger()
	s.sock.Close()
}

// dontLinger switches linger off, so that closing does not wait. A linger time of 0, which aborts, stays.
func (s *Socket) dontLinger() {
	if l, err := sockopt.SocketLinger.Get(s.sock); err == nil && l.On && l.Time > 0 {
		sockopt.SocketLinger.Set(s.sock, sockopt.Linger{})
	}
}

// shown converts a reason to the one that the caller gets: a reset is an ordinary end, unless show_econnreset is on.
func (o *settings) shown(err error) error {
	switch errnoIn(err) {
	case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE:
		if o.showReset {
			return syscall.ECONNRESET
		}
		return active.ClosedBy{Cause: errnoIn(err)}
	}
	if err == io.EOF {
		return closedByPeer
	}
	if errors.Is(err, net.ErrClosed) {
		return closedHere
	}
	return err
}

// ControllingProcess gives the socket another owner. Messages about the socket in the present owner's mailbox move to the
// new one, in their order, before later ones. The active mode stays. If to is nil, the socket has no owner and becomes
// passive. If to is the owner already, nothing changes. Errors: ErrNotOwner when from is not the owner, ErrBadArg when to is
// closed, ErrClosed. OTP: gen_tcp:controlling_process/2.
func (s *Socket) ControllingProcess(from, to *esock.Mailbox) error {
	const op = "controlling_process"
	if !s.made() {
		return notMade(op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.delivery.Give(from, to, func() error { return s.sock.ControllingProcess(from, to) })
	switch {
	case err == active.ErrOwnerClosed:
		err = ownerClosed
	case errors.Is(err, &esock.InvalidError{What: "not_owner"}):
		err = ErrNotOwner // the esock socket beneath was given away directly
	}
	return s.fail(op, err)
}
