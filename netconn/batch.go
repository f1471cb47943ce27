package netconn

import (
	"math"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// Message is one datagram of ReadBatch or WriteBatch. It has the fields of Message in golang.org/x/net/ipv4 and ipv6, so
// that netconn.Message(m) and ipv4.Message(m) convert one message. Go converts no slice of them.
type Message struct {
	Buffers [][]byte // the data, to send or received
	OOB     []byte   // control messages as the kernel has them: to send, or the room for received ones
	Addr    net.Addr // where to, nil on a connected socket; or the sender
	N       int      // bytes of data that were sent or received
	NN      int      // bytes of control messages that were received
	Flags   int      // of the received message: MSG_TRUNC and the like
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// batchMost is UIO_MAXIOV: the kernel takes no more messages in one call, and no more buffers in one message.
const batchMost = 1024

// batch is the kernel's form of messages, for one call.
type batch struct {
	hdrs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6

	s     *esock.Socket
	flags int
	write bool
	n     int
	errno syscall.Errno
	call  func(fd uintptr) bool
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	b.call = b.once
	return b
}}

// ReadBatch receives up to len(ms) datagrams with one recvmmsg(2), waits for the first, and returns how many came. flags
// are those of recvmsg(2): with MSG_DONTWAIT or MSG_ERRQUEUE nothing waits, and EAGAIN says that there is none. Errors:
// *esock.InvalidError "flags".
func (c *UDPConn) ReadBatch(ms []Message, flags int) (int, error) {
	return c.batch(ms, flags, false)
}

// WriteBatch sends up to len(ms) datagrams with one sendmmsg(2), waits for room for the first, and returns how many were
// sent. If fewer were sent, call it again with the rest: that call waits or returns the error. flags are those of
// sendmsg(2): with MSG_DONTWAIT nothing waits, and EAGAIN says that there is no room. Errors: *esock.InvalidError "flags".
func (c *UDPConn) WriteBatch(ms []Message, flags int) (int, error) {
	return c.batch(ms, flags, true)
}

func (c *UDPConn) batch(ms []Message, flags int, write bool) (int, error) {
	c = c.orClosed()
	op, call := "read", "recvmmsg"
	if write {
		op, call = "write", "sendmmsg"
	}
	raw, err := c.s.SyscallConn()
	if err != nil {
		return 0, c.failed(op, call, err)
	}
	if flags < 0 || flags > math.MaxInt32 {
		return 0, c.failed(op, call, &esock.InvalidError{What: "flags", Value: flags, Cause: "it does not fit into 32 bits"})
	}
	if len(ms) == 0 {
		return 0, nil
	}
	ms = ms[:min(len(ms), batchMost)]
	b := batches.Get().(*batch)
	defer b.free()
	b.s, b.flags, b.write = c.s, flags, write
	if err := b.pack(c, ms); err != nil {
		return 0, c.failed(op, call, err)
	}
	switch {
	case write:
		err = raw.Write(b.call)
	case flags&unix.MSG_ERRQUEUE != 0: // it is not for the turn of those that wait for data
		err = raw.Control(func(fd uintptr) { b.once(fd) })
	default:
		err = raw.Read(b.call)
	}
	if err == nil && b.errno != 0 {
		err = b.errno
	}
	if err != nil {
		return 0, c.failed(op, call, err)
	}
	for i := range ms[:b.n] {
		h := &b.hdrs[i]
		ms[i].N = int(h.n)
		if !write {
			ms[i].NN, ms[i].Flags = int(h.hdr.Controllen), int(h.hdr.Flags)
			ms[i].Addr = c.sender(&b.names[i], h.hdr.Namelen)
		}
	}
	return b.n, nil
}

// pack makes the kernel's form, which keeps what it points to.
func (b *batch) pack(c *UDPConn, ms []Message) error {
	total := 0
	for i := range ms {
		total += len(ms[i].Buffers)
	}
	b.hdrs, b.iovs, b.names = grown(b.hdrs, len(ms)), grown(b.iovs, total), grown(b.names, len(ms))
	clear(b.hdrs)
	clear(b.names)
	at := 0
	for i := range ms {
		m, h := &ms[i], &b.hdrs[i].hdr
		first := at
		for _, buf := range m.Buffers {
			b.iovs[at] = unix.Iovec{Base: unsafe.SliceData(buf)}
			b.iovs[at].SetLen(len(buf))
			at++
		}
		if at > first {
			h.Iov = &b.iovs[first]
			h.SetIovlen(at - first)
		}
		if len(m.OOB) > 0 {
			h.Control = &m.OOB[0]
			h.SetControllen(len(m.OOB))
		}
		if b.write && m.Addr == nil {
			continue
		}
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Namelen = unix.SizeofSockaddrInet6
		if b.write {
			n, err := c.packAddr(&b.names[i], m.Addr)
			if err != nil {
				return err
			}
			h.Namelen = n
		}
	}
	return nil
}

func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// packAddr writes a destination as a sockaddr, and returns its length.
func (c *UDPConn) packAddr(name *unix.RawSockaddrInet6, addr net.Addr) (uint32, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, syscall.EINVAL
	}
	a, err := c.to(u)
	if err != nil {
		return 0, err
	}
	if a.Family() == esock.Inet {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		four.Family, four.Port, four.Addr = unix.AF_INET, swapped(a.Port()), a.IP().As4()
		return unix.SizeofSockaddrInet4, nil
	}
	name.Family, name.Port, name.Addr = unix.AF_INET6, swapped(a.Port()), a.IP().As16()
	if zone := a.Zone(); zone != "" {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return 0, syscall.ENODEV
		}
		name.Scope_id = uint32(i.Index)
	}
	return unix.SizeofSockaddrInet6, nil
}

// sender is the address in a sockaddr.
func (c *UDPConn) sender(name *unix.RawSockaddrInet6, size uint32) net.Addr {
	switch {
	case size == 0:
		return nil
	case name.Family == unix.AF_INET:
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return udpAddr(netip.AddrPortFrom(netip.AddrFrom4(four.Addr), swapped(uint32(four.Port))))
	}
	from := netip.AddrPortFrom(netip.AddrFrom16(name.Addr), swapped(uint32(name.Port)))
	if name.Scope_id != 0 {
		from = c.zoned(from, name.Scope_id)
	}
	return udpAddr(from)
}

// swapped turns a port into network byte order, or back.
func swapped(port uint32) uint16 {
	b := [2]byte{byte(port >> 8), byte(port)}
	return *(*uint16)(unsafe.Pointer(&b))
}

// once makes the system call. It returns false if it would block and may wait.
func (b *batch) once(fd uintptr) bool {
	trap := uintptr(unix.SYS_RECVMMSG)
	if b.write {
		trap = unix.SYS_SENDMMSG
	}
	for {
		n, _, errno := syscall.Syscall6(trap, fd, uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(b.hdrs)),
			uintptr(b.flags|syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL), 0, 0)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			if b.flags&(unix.MSG_DONTWAIT|unix.MSG_ERRQUEUE) == 0 {
				return false
			}
		}
		b.n, b.errno = int(n), errno
		if errno != 0 {
			b.n = 0
		}
		b.count()
		return true
	}
}

// count adds the messages to the socket's counters. One that was cut counts for what there was room for.
func (b *batch) count() {
	bytes, most := 0, 0
	for i := range b.hdrs[:b.n] {
		n := int(b.hdrs[i].n)
		bytes, most = bytes+n, max(most, n)
	}
	calls.Count(b.s, b.write, b.n, bytes, most)
}

// free gives the batch back, without what belongs to the caller.
func (b *batch) free() {
	clear(b.hdrs)
	clear(b.iovs)
	b.s = nil
	batches.Put(b)
}
