package engine

import (
	"syscall"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
)

// datagrams reports whether the socket is one of datagrams, each of which has a sender.
func (c *Conn) datagrams() bool {
	t := c.s.Type()
	return t != esock.Stream && t != esock.SeqPacket
}

// From returns the address of the sender of the datagram that Received has; no address elsewhere, and on sockets
// without datagrams. It allocates nothing for a family of IP.
func (c *Conn) From() esock.Addr {
	if !c.made() || c.l.at.c != c {
		return esock.Addr{}
	}
	a := &c.l.at
	loopcall.ReadAddr(unsafe.Pointer(&a.addr), a.from)
	return a.addr
}

// addrRoom is the room for an operation and its address before its data.
const addrRoom = headRoom + (unsafe.Sizeof(loopcall.Addr{})+63)&^63

// WriteTo is Write for a datagram, which goes to an address. An empty one is sent too. One that the kernel refuses is
// lost, as in the network: Counters of the socket count it. Errors: those of Write; *esock.InvalidError for an address
// that the core does not take, and for a socket without datagrams.
func (c *Conn) WriteTo(b []byte, to esock.Addr) (int, error) {
	if err := c.writes(); err != nil {
		return 0, err
	}
	if !c.datagrams() {
		return 0, &esock.InvalidError{What: "socket", Cause: "it has no datagrams"}
	}
	a := &c.l.at
	a.addr = to
	if err := loopcall.WriteAddr(c.s, unsafe.Pointer(&a.wire), unsafe.Pointer(&a.addr)); err != nil {
		return 0, err
	}
	op := c.begin(loopcall.SendTo, addrRoom, len(b))
	if op == nil {
		return 0, syscall.ENOMEM
	}
	c.open = false
	op.Addr = unsafe.Add(unsafe.Pointer(op), headRoom)
	*(*loopcall.Addr)(op.Addr) = a.wire
	op.Len = uintptr(copy(unsafe.Slice((*byte)(op.Buf), len(b)), b))
	c.unsent += len(b)
	c.wrote()
	return len(b), nil
}

// addresses is what a loop has to convert them.
type addresses struct {
	c    *Conn          // whose handler has a datagram
	from unsafe.Pointer // its sender, in the core's form
	addr esock.Addr
	wire loopcall.Addr
}

// ofPeer reports whether an error of a receive says what the network, or another host, has answered to a datagram. It
// does not end a socket of many peers.
func (c *Conn) ofPeer(err syscall.Errno) bool {
	switch err {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENONET,
		syscall.EMSGSIZE, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EACCES:
		_, err := c.s.PeerName()
		return err != nil
	}
	return false
}
