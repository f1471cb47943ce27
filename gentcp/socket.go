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

// Socket is a listener, or a connection. Any method may be called from any goroutine: whole messages of several senders
// never mix, receivers and acceptors get their turn in the order they came. Close may be called at any time.
//
// Only functions of this package make sockets. A nil pointer and the zero value are none: methods that return an error
// answer ErrBadArg, the others nothing.
type Socket struct {
	sock      *esock.Socket
	opts      atomic.Pointer[settings]
	shutting  atomic.Int32 // how many calls of Shutdown are about to end sending
	shutWrite atomic.Bool  // one has

	mu       sync.Mutex // guards what follows; held over system calls only where they do not wait
	delivery active.Delivery
	input    input
}

// newSocket puts a socket of this layer around one below.
func newSocket(sock *esock.Socket, mb *esock.Mailbox, listening bool, o *settings) *Socket {
	layered.Mark(sock)
	s := &Socket{sock: sock}
	s.delivery.Init(&s.mu, sock, (*source)(s), mb, listening)
	s.opts.Store(o)
	s.input.restart(o)
	return s
}

// made reports whether a function of this package made the socket. Every exported method asks before all else.
func (s *Socket) made() bool { return s != nil && s.sock != nil }

// notMade is the answer of a method to a socket that is none.
func notMade(op string) error {
	return &Error{Op: op, Reason: &badArgument{"socket", nil, "no function of this package made it"}}
}

// Socket is the esock socket beneath: for its options, counters and table. Receiving from it takes bytes away from this
// one.
func (s *Socket) Socket() *esock.Socket {
	if !s.made() {
		return nil
	}
	return s.sock
}

// String is that of the esock socket beneath.
func (s *Socket) String() string {
	if !s.made() {
		return "no socket"
	}
	return s.sock.String()
}

// Owner is the mailbox that owns the socket, nil if none does.
func (s *Socket) Owner() *esock.Mailbox {
	if !s.made() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivery.Owner()
}

// Open reports whether the socket has not been closed yet: by Close, by its owner's death, or, with exit_on_close, by
// what a receive saw.
func (s *Socket) Open() bool { return s.made() && !s.sock.Closed() }

// SocketOf is the socket that a message of this package is about, nil for other messages.
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

// About is a match for Mailbox.ReceiveMatch and PollMatch: the messages about this socket.
func (s *Socket) About(msg esock.Message) bool { return s != nil && SocketOf(msg) == s }

// SockName is the address that the socket is bound to. Errors: ErrClosed. OTP: inet:sockname/1.
func (s *Socket) SockName() (esock.Addr, error) {
	if !s.made() {
		return esock.Addr{}, notMade("sockname")
	}
	a, err := s.sock.SockName()
	return a, s.fail("sockname", err)
}

// PeerName is the address of the other end. Errors: ENOTCONN, also once both ends have finished; ErrClosed.
// OTP: inet:peername/1.
func (s *Socket) PeerName() (esock.Addr, error) {
	if !s.made() {
		return esock.Addr{}, notMade("peername")
	}
	a, err := s.sock.PeerName()
	return a, s.fail("peername", err)
}

// Port is the port of SockName; for local sockets it is 0, and SockName has the path. OTP: inet:port/1.
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

// Monitor makes mb receive one esock.DownMsg when the socket is closed. OTP: inet:monitor/1.
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

// Unrecv is not supported: ENOTSUP. OTP: gen_tcp:unrecv/2.
func (s *Socket) Unrecv([]byte) error {
	if !s.made() {
		return notMade("unrecv")
	}
	return s.fail("unrecv", syscall.ENOTSUP)
}

// Shutdown ends one direction at once, or both. After ShutWrite the peer reads what was sent and then the end, and Send
// answers ErrClosed. After ShutRead what has arrived, or still arrives, is delivered, and then comes the end. A
// listener stops listening when reading is shut, and Accept answers EINVAL, also one that waits. Errors: ENOTCONN, also
// once both ends have finished; ErrClosed. OTP: gen_tcp:shutdown/2.
func (s *Socket) Shutdown(how esock.How) error {
	if !s.made() {
		return notMade("shutdown")
	}
	if how == esock.ShutRead {
		return s.fail("shutdown", s.sock.Shutdown(how))
	}
	// Noted first: a Send that the kernel refuses finds it. A count, so that one that fails takes no other's note back.
	s.shutting.Add(1)
	defer s.shutting.Add(-1)
	err := s.sock.Shutdown(how)
	if err == nil {
		s.shutWrite.Store(true)
	}
	return s.fail("shutdown", err)
}

// sendingEnded reports whether Shutdown has ended sending, or is about to.
func (s *Socket) sendingEnded() bool { return s.shutWrite.Load() || s.shutting.Load() > 0 }

// Close closes the socket; calls that wait on it return ErrClosed. It is the owner's: no message follows. With option linger
// on, it waits for unsent data. What was sent reaches the peer, unless the connection breaks; to know that it did,
// Shutdown(ShutWrite) and wait for the peer's end. It always answers nil, also a second time. OTP: gen_tcp:close/1.
func (s *Socket) Close() error {
	if !s.made() {
		return notMade("close")
	}
	s.close(nil, false)
	return nil
}

// CloseFrom is Close by somebody else than the owner: an owner in an active mode gets ClosedMsg. OTP: gen_tcp:close/1,
// called by another process.
func (s *Socket) CloseFrom(mb *esock.Mailbox) error {
	if !s.made() {
		return notMade("close")
	}
	s.close(mb, true)
	return nil
}

// close closes the socket for mb, if somebody calls by name, else for the owner.
func (s *Socket) close(mb *esock.Mailbox, named bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivery.Close(named && s.delivery.Owner() != mb, func() { s.sock.Close() }) // linger may hold it up
}

// closeQuietly closes the esock socket because the peer has: nobody waits for unsent data.
func (s *Socket) closeQuietly() {
	s.dontLinger()
	s.sock.Close()
}

// dontLinger makes closing not wait for unsent data. Abortive close stays that.
func (s *Socket) dontLinger() {
	if l, err := sockopt.SocketLinger.Get(s.sock); err == nil && l.On && l.Time > 0 {
		sockopt.SocketLinger.Set(s.sock, sockopt.Linger{})
	}
}

// shown is how a reason looks to the caller: a reset is an end like others, unless show_econnreset is on.
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

// ControllingProcess gives the socket another owner. Messages about the socket that wait with the present one move to
// the new one, in their order, before those that come later; the active mode stays as it is. nil is nobody, and then
// the socket becomes passive. Nothing happens when to owns it already. Errors: ErrNotOwner when from is not the owner,
// ErrBadArg when to is closed, ErrClosed. OTP: gen_tcp:controlling_process/2.
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
		err = ErrNotOwner // somebody went to the esock socket beneath
	}
	return s.fail(op, err)
}
