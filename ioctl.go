package esock

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/esock-go/esock/internal/corecall"
)

// Requests of ioctl(2) about the data in a socket. Those about interfaces serve package netdevice and the zones of addresses.

const opIOCtl = "ioctl"

// The numbers are rows of the core.
var ioctlRows = sync.OnceValue(func() []corecall.RequestRow {
	rows := make([]corecall.RequestRow, ioRequests)
	for i := range rows {
		r := &rows[i]
		r.Name, r.Constant, r.Doc, r.Number, r.Set, r.Key, r.Form = cIOCtlRow(i)
	}
	return rows
})

// ioctl makes a request.
func (s *Socket) ioctl(request int, arg *cIOArg) error {
	return s.simple(opIOCtl, func(h *handle) int { return cIOCtl(h, request, arg) })
}

// ioctlOf makes a request about the interface with the name, or the index in arg.
func (s *Socket) ioctlOf(request int, name string, arg *cIOArg) error {
	cause := ""
	switch {
	case len(name) > ifNameMax:
		cause = "an interface's name has up to " + strconv.Itoa(ifNameMax) + " bytes"
	case strings.IndexByte(name, 0) >= 0:
		cause = "an interface's name has no NUL"
	}
	if cause != "" {
		return s.fail(opIOCtl, &InvalidError{What: "ioctl_argument", Value: name, Cause: cause})
	}
	cSetIfName(&arg.name, name)
	return s.ioctlAbout(request, name, arg, s.ioctl(request, arg))
}

// ioctlAbout makes the error of a request about an interface, and names the request and the interface, which an errno does not.
func (s *Socket) ioctlAbout(request int, name string, arg *cIOArg, err error) error {
	return withCause(err, func(_ string, errno syscall.Errno) string {
		which := strconv.Quote(name)
		if request == ioGIFName {
			which = strconv.FormatInt(int64(arg.i), 10)
		}
		about := ioctlRows()[request].Name + ": " + which
		switch {
		case errno == syscall.ENODEV:
			return about + " is not an interface in the socket's network namespace"
		case errno == syscall.EPERM:
			return about + ": it needs CAP_NET_ADMIN"
		case errno == syscall.ENOTTY && s.Domain() != Inet:
			return about + ": it needs a socket of domain inet"
		}
		return about
	})
}

func (s *Socket) askInt(request int) (int, error) {
	var arg cIOArg
	err := withCause(s.ioctl(request, &arg), func(string, syscall.Errno) string { return ioctlRows()[request].Name })
	return int(arg.i), err
}

// NRead returns how many bytes wait to be received; on a datagram socket, those of the next message. Errors:
// net.ErrClosed; EINVAL on a listener. FIONREAD (SIOCINQ), tcp(7), udp(7); OTP: nread.
func (s *Socket) NRead() (int, error) { return s.askInt(ioNRead) }

// NWrite returns how many sent bytes are outstanding: on TCP those not acknowledged, elsewhere the kernel memory that
// holds them, overhead included. Errors: net.ErrClosed; EINVAL on a listener. SIOCOUTQ, the counterpart of OTP's
// nwrite (the BSDs' FIONWRITE).
func (s *Socket) NWrite() (int, error) { return s.askInt(ioNWrite) }

// NSpace returns the room in the send buffer: SO_SNDBUF less NWrite, at least 0. It is an upper bound, because on TCP
// overhead counts too, and the buffer grows. Errors: as NWrite. OTP: nspace, the BSDs' FIONSPACE, which Linux lacks.
func (s *Socket) NSpace() (int, error) { return s.askInt(ioNSpace) }

// AtMark reports whether the next byte to receive is the one that MsgOOB marked as urgent. Only TCP and unix streams
// support it; others return ENOTTY. Errors: net.ErrClosed. SIOCATMARK, sockatmark(3); OTP: atmark.
func (s *Socket) AtMark() (bool, error) {
	n, err := s.askInt(ioAtMark)
	return n != 0, err
}

// ---- Interfaces

// ifIndex returns the index of an interface.
func (s *Socket) ifIndex(name string) (int, error) {
	var arg cIOArg
	err := s.ioctlOf(ioGIFIndex, name, &arg)
	return int(arg.i), err
}

// ifName returns the name of the interface with an index.
func (s *Socket) ifName(index int) (string, error) {
	arg := cIOArg{i: cI64(index)}
	if err := s.ioctlOf(ioGIFName, "", &arg); err != nil {
		return "", err
	}
	return cIfName(&arg.name), nil
}

// interfaces lists the addresses of all interfaces.
func (s *Socket) interfaces() ([]corecall.InterfaceAddr, error) {
	// The kernel reports the number, but that may change. The list is complete when room is left.
	var raw []cIfAddr
	for {
		n := 0
		err := s.simple(opIOCtl, func(h *handle) int {
			n = cIfConf(h, raw)
			return n
		})
		if err != nil {
			return nil, err
		}
		if n < len(raw) {
			raw = raw[:n]
			break
		}
		raw = make([]cIfAddr, n+n/2+1)
	}
	list := make([]corecall.InterfaceAddr, len(raw))
	for i := range raw {
		list[i] = corecall.InterfaceAddr{Name: cIfName(&raw[i].name), Addr: requestAddrFromC(&raw[i].addr)}
	}
	return list, nil
}

// request makes a request for package netdevice.
func (s *Socket) request(request int, name string, arg corecall.RequestArg) (corecall.RequestArg, error) {
	c := cIOArg{i: cI64(arg.I), off: cU32(arg.Off), addr: requestAddrToC(arg.Addr)}
	if err := s.ioctlOf(request, name, &c); err != nil {
		return corecall.RequestArg{}, err
	}
	m := &c._map
	answer := corecall.RequestArg{I: int64(c.i), Addr: requestAddrFromC(&c.addr), Map: corecall.Mapping{
		MemStart: uint64(m.mem_start), MemEnd: uint64(m.mem_end), BaseAddr: uint16(m.base_addr),
		IRQ: uint8(m.irq), DMA: uint8(m.dma), Port: uint8(m.port)}}
	if request == ioGIFName {
		answer.Name = cIfName(&c.name)
	}
	return answer, nil
}

func requestAddrToC(a corecall.Address) (c cAddr) {
	if a.IP.IsValid() {
		c.family, c.form = cU16(Inet), addrKnown
		*(*[4]byte)(cAddrIP(&c)[:]) = a.IP.As4()
		return c
	}
	c.family, c.form, c.len = cU16(a.Family), addrRaw, cU8(a.Len)
	copy(cAddrData(&c)[:], a.Data[:])
	return c
}

func requestAddrFromC(c *cAddr) corecall.Address {
	if c.form == addrKnown && Domain(c.family) == Inet {
		return corecall.Address{IP: netip.AddrFrom4(*(*[4]byte)(cAddrIP(c)[:]))}
	}
	a := corecall.Address{Family: uint16(c.family)}
	a.Len = uint8(copy(a.Data[:], cAddrData(c)[:c.len]))
	return a
}
