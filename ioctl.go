package esock

import (
	"iter"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/esock-go/esock/internal/plain"
)

// Requests of ioctl(2): what waits in a socket, and the interfaces of its network namespace. Those about interfaces work
// on any socket, but for the ones about IPv4 addresses (IfAddr, IfDstAddr, IfBrdAddr, IfNetmask and their twins that set),
// which need one of domain inet and fail with ENOTTY on others. All fail with net.ErrClosed on a closed socket; those with
// a name, with ENODEV when there is no such interface, and with *InvalidError "ioctl_argument" when the name is longer
// than the 15 bytes that a name can have; those that set need CAP_NET_ADMIN and fail with EPERM without.
// OTP: socket:ioctl/2,3,4.

const opIOCtl = "ioctl"

// IOCtlInfo describes one of the requests that IOCtl knows.
type IOCtlInfo struct {
	Name     string // "gifmtu"
	Constant string // "SIOCGIFMTU"; "" for those that Linux has not
	Number   uint   // the number of SIOCGIFMTU, 0 for what is no ioctl here
	Set      bool   // it changes something
	Doc      string // what it asks or sets

	key  uint8
	form uint8
}

// The rows are the core's.
var ioctlRows = sync.OnceValue(func() []IOCtlInfo {
	rows := make([]IOCtlInfo, ioRequests)
	for i := range rows {
		r := &rows[i]
		r.Name, r.Constant, r.Doc, r.Number, r.Set, r.key, r.form = cIOCtlRow(i)
	}
	return rows
})

// IOCtls lists all requests that IOCtl knows, those that Linux has not included.
func IOCtls() iter.Seq[IOCtlInfo] {
	return func(yield func(IOCtlInfo) bool) {
		for _, r := range ioctlRows() {
			if !yield(r) {
				return
			}
		}
	}
}

// IfFlags are the flags of an interface that SIOCGIFFLAGS shows: 16 bits. (Linux has more, lower_up for one, that do not
// fit and do not appear.) netdevice(7).
type IfFlags uint16

// The flags that Linux has, and IfFlags room for.
const (
	IfUp          IfFlags = 0x1    // it is running, administratively
	IfBroadcast   IfFlags = 0x2    // it has a broadcast address
	IfDebug       IfFlags = 0x4    // the driver's debugging is on
	IfLoopback    IfFlags = 0x8    // it is a loopback
	IfPointOPoint IfFlags = 0x10   // it is one end of a link between two
	IfNoTrailers  IfFlags = 0x20   // no trailers
	IfRunning     IfFlags = 0x40   // its resources are allocated
	IfNoARP       IfFlags = 0x80   // no address resolution
	IfPromisc     IfFlags = 0x100  // it takes packets for others, too
	IfAllMulti    IfFlags = 0x200  // it takes all multicast packets
	IfMaster      IfFlags = 0x400  // of a load balancing bundle
	IfSlave       IfFlags = 0x800  // of a load balancing bundle
	IfMulticast   IfFlags = 0x1000 // it supports multicast
	IfPortSel     IfFlags = 0x2000 // it can select its media
	IfAutoMedia   IfFlags = 0x4000 // and does so by itself
	IfDynamic     IfFlags = 0x8000 // its addresses are lost when it goes down
)

// Names lists the flags by OTP's names, in OTP's order. The bits that have no name come back as rest: none, as long as
// all 16 have one.
func (f IfFlags) Names() (names []string, rest IfFlags) {
	for _, n := range plain.IfFlags {
		if int(f)&n.Number != 0 {
			names = append(names, n.Text)
			f &^= IfFlags(n.Number)
		}
	}
	return names, f
}

// String is the names with bars between them: "up|broadcast|running".
func (f IfFlags) String() string {
	names, rest := f.Names()
	if rest != 0 {
		names = append(names, "0x"+strconv.FormatUint(uint64(rest), 16))
	}
	return strings.Join(names, "|")
}

// ParseIfFlag reads the name of one flag. Errors: *InvalidError "ioctl_flag" for one that nobody knows, that Linux has not,
// or that has no room in IfFlags.
func ParseIfFlag(name string) (IfFlags, error) {
	n, ok := plain.IfFlags.Number(name)
	cause := ""
	switch {
	case !ok:
		cause = "not a known flag"
	case n == 0:
		cause = "Linux has no such flag"
	case n > math.MaxUint16:
		cause = "this request has room for 16 bits, and the flag is beyond"
	default:
		return IfFlags(n), nil
	}
	return 0, &InvalidError{What: "ioctl_flag", Value: name, Cause: cause}
}

// IfAddr is an address of an interface.
type IfAddr struct {
	Name string
	Addr Addr
}

// HWAddr is the hardware address of an interface: as many bytes as the device's type has, but no more than 14.
type HWAddr struct {
	Type int              // ARPHRD_ETHER (1), ARPHRD_LOOPBACK (772), …
	Addr net.HardwareAddr // none for devices that have no address
}

// IfMap is where the hardware of an interface is mapped, all 0 for most of today's.
type IfMap struct {
	MemStart, MemEnd uint64
	BaseAddr         uint16
	IRQ, DMA, Port   uint8
}

// ioctl makes a request.
func (s *Socket) ioctl(request int, arg *cIOArg) error {
	return s.simple(opIOCtl, func(h *handle) int { return cIOCtl(h, request, arg) })
}

// ioctlOf makes a request about the interface with the name.
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
	return ioctlAbout(request, strconv.Quote(name), s.ioctl(request, arg))
}

// ioctlAbout is the answer to a request about an interface, which the errno of one that is not there does not name.
func ioctlAbout(request int, which string, err error) error {
	if e, ok := err.(*Error); ok && e.Reason == syscall.ENODEV {
		e.Reason = &explainedErrno{syscall.ENODEV,
			ioctlRows()[request].Name + ": " + which + " is no interface in the socket's network namespace"}
	}
	return err
}

func (s *Socket) askInt(request int) (int, error) {
	var arg cIOArg
	err := s.ioctl(request, &arg)
	return int(arg.i), err
}

func (s *Socket) askIntOf(request int, name string) (int, error) {
	var arg cIOArg
	err := s.ioctlOf(request, name, &arg)
	return int(arg.i), err
}

func (s *Socket) askAddrOf(request int, name string) (Addr, error) {
	var arg cIOArg
	if err := s.ioctlOf(request, name, &arg); err != nil {
		return Addr{}, err
	}
	return addrFromC(&arg.addr, Addr{}), nil
}

func (s *Socket) setIntOf(request int, name string, v int) error {
	if !plain.FitsCInt(int64(v)) {
		return s.fail(opIOCtl, &InvalidError{What: "ioctl_argument", Value: v, Cause: "out of range"})
	}
	arg := cIOArg{i: cI64(v)}
	return s.ioctlOf(request, name, &arg)
}

func (s *Socket) setAddrOf(request int, name string, a Addr) error {
	a, err := a.resolve(Inet)
	var arg cIOArg
	if err == nil {
		err = a.toC(&arg.addr)
	}
	if err == nil && (a.form != formKnown || a.Family() != Inet) {
		err = &InvalidError{What: "sockaddr", Value: a, Cause: "this request sets inet addresses only"}
	}
	if err != nil {
		return s.fail(opIOCtl, err)
	}
	return s.ioctlOf(request, name, &arg)
}

// ---- Of the socket

// NRead is how many bytes wait to be received: on a datagram socket those of the next message. Errors: EINVAL on a
// listener. FIONREAD (SIOCINQ), tcp(7), udp(7); OTP: nread.
func (s *Socket) NRead() (int, error) { return s.askInt(ioNRead) }

// NWrite is how many bytes were sent that are not done with: on TCP those that the peer has not acknowledged,
// elsewhere what the kernel holds for them, its overhead included. OTP's nwrite is the BSDs' FIONWRITE; this is its twin
// on Linux, SIOCOUTQ. Errors: EINVAL on a listener.
func (s *Socket) NWrite() (int, error) { return s.askInt(ioNWrite) }

// NSpace is how much room the send buffer has: SO_SNDBUF less NWrite, never negative. It is an upper bound: on TCP the
// kernel's overhead counts against the buffer, too, and the buffer grows by itself. OTP's nspace is the BSDs' FIONSPACE;
// Linux has no request of that kind. Errors: EINVAL on a listener.
func (s *Socket) NSpace() (int, error) { return s.askInt(ioNSpace) }

// AtMark says whether the next byte to be received is the one that MsgOOB marked as urgent. It works on TCP and unix
// streams, others answer ENOTTY. SIOCATMARK, sockatmark(3); OTP: atmark.
func (s *Socket) AtMark() (bool, error) {
	n, err := s.askInt(ioAtMark)
	return n != 0, err
}

// ---- Of the interfaces

// IfConf lists the IPv4 addresses of all interfaces; those that have none are not there. It works on any socket. SIOCGIFCONF,
// netdevice(7); OTP: gifconf.
func (s *Socket) IfConf() ([]IfAddr, error) {
	// The kernel says how many there are, but that may change. It has told all when there is room left.
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
	list := make([]IfAddr, len(raw))
	for i := range raw {
		list[i] = IfAddr{cIfName(&raw[i].name), addrFromC(&raw[i].addr, Addr{})}
	}
	return list, nil
}

// IfName is the name of the interface with an index. SIOCGIFNAME, netdevice(7); OTP: gifname.
func (s *Socket) IfName(index int) (string, error) {
	if !plain.FitsCInt(int64(index)) {
		return "", s.fail(opIOCtl, &InvalidError{What: "ioctl_argument", Value: index, Cause: "out of range"})
	}
	arg := cIOArg{i: cI64(index)}
	if err := ioctlAbout(ioGIFName, strconv.Itoa(index), s.ioctl(ioGIFName, &arg)); err != nil {
		return "", err
	}
	return cIfName(&arg.name), nil
}

// IfIndex is the index of an interface. SIOCGIFINDEX, netdevice(7); OTP: gifindex.
func (s *Socket) IfIndex(name string) (int, error) { return s.askIntOf(ioGIFIndex, name) }

// IfAddr is the first IPv4 address of an interface; EADDRNOTAVAIL if it has none. SIOCGIFADDR, netdevice(7);
// OTP: gifaddr.
func (s *Socket) IfAddr(name string) (Addr, error) { return s.askAddrOf(ioGIFAddr, name) }

// IfDstAddr is the address of the other end of a point-to-point interface, and its own address for others.
// SIOCGIFDSTADDR, netdevice(7); OTP: gifdstaddr.
func (s *Socket) IfDstAddr(name string) (Addr, error) { return s.askAddrOf(ioGIFDstAddr, name) }

// IfBrdAddr is the broadcast address of an interface, 0.0.0.0 if it has none. SIOCGIFBRDADDR, netdevice(7);
// OTP: gifbrdaddr.
func (s *Socket) IfBrdAddr(name string) (Addr, error) { return s.askAddrOf(ioGIFBrdAddr, name) }

// IfNetmask is the network mask that belongs to IfAddr. SIOCGIFNETMASK, netdevice(7); OTP: gifnetmask.
func (s *Socket) IfNetmask(name string) (Addr, error) { return s.askAddrOf(ioGIFNetmask, name) }

// IfHWAddr is the hardware address of an interface. SIOCGIFHWADDR, netdevice(7); OTP: gifhwaddr.
func (s *Socket) IfHWAddr(name string) (HWAddr, error) {
	var arg cIOArg
	if err := s.ioctlOf(ioGIFHWAddr, name, &arg); err != nil {
		return HWAddr{}, err
	}
	hw := HWAddr{Type: int(arg.addr.family)}
	if n := int(arg.addr.len); n > 0 {
		hw.Addr = append(hw.Addr, cAddrData(&arg.addr)[:n]...)
	}
	return hw, nil
}

// IfMTU is the largest packet that an interface takes, in bytes. SIOCGIFMTU, netdevice(7); OTP: gifmtu.
func (s *Socket) IfMTU(name string) (int, error) { return s.askIntOf(ioGIFMTU, name) }

// IfTxQLen is the length of the transmit queue of an interface, in packets. SIOCGIFTXQLEN, netdevice(7);
// OTP: giftxqlen.
func (s *Socket) IfTxQLen(name string) (int, error) { return s.askIntOf(ioGIFTXQLen, name) }

// IfFlags are the flags of an interface. SIOCGIFFLAGS, netdevice(7); OTP: gifflags.
func (s *Socket) IfFlags(name string) (IfFlags, error) {
	n, err := s.askIntOf(ioGIFFlags, name)
	return IfFlags(n), err
}

// IfMap is where the hardware of an interface is mapped. SIOCGIFMAP, netdevice(7); OTP: gifmap.
func (s *Socket) IfMap(name string) (IfMap, error) {
	var arg cIOArg
	if err := s.ioctlOf(ioGIFMap, name, &arg); err != nil {
		return IfMap{}, err
	}
	m := &arg._map
	return IfMap{MemStart: uint64(m.mem_start), MemEnd: uint64(m.mem_end), BaseAddr: uint16(m.base_addr),
		IRQ: uint8(m.irq), DMA: uint8(m.dma), Port: uint8(m.port)}, nil
}

// ---- What changes an interface

// SetIfFlags switches flags of an interface on and others off, and leaves the rest as they are: it reads, modifies and writes,
// so that a change by somebody else in between is lost. Some flags are the driver's, and the kernel ignores them. Errors:
// *InvalidError "ioctl_flag" for a flag that is to go both ways. SIOCSIFFLAGS, netdevice(7); OTP: sifflags.
func (s *Socket) SetIfFlags(name string, on, off IfFlags) error {
	if both := on & off; both != 0 {
		return s.fail(opIOCtl, &InvalidError{What: "ioctl_flag", Value: both, Cause: "to be switched on and off"})
	}
	arg := cIOArg{i: cI64(on), off: cU32(off)}
	return s.ioctlOf(ioSIFFlags, name, &arg)
}

// SetIfAddr sets the first IPv4 address of an interface, and with it network mask and broadcast address to those
// of the address's class; set them afterwards. Any removes it. Errors: *InvalidError "sockaddr" for addresses of other
// families. SIOCSIFADDR, netdevice(7); OTP: sifaddr.
func (s *Socket) SetIfAddr(name string, a Addr) error { return s.setAddrOf(ioSIFAddr, name, a) }

// SetIfDstAddr sets the address of the other end of a point-to-point interface. Errors: as SetIfAddr; EADDRNOTAVAIL before it
// has an address. SIOCSIFDSTADDR, netdevice(7); OTP: sifdstaddr.
func (s *Socket) SetIfDstAddr(name string, a Addr) error { return s.setAddrOf(ioSIFDstAddr, name, a) }

// SetIfBrdAddr sets the broadcast address of an interface. Errors: as SetIfDstAddr. SIOCSIFBRDADDR, netdevice(7);
// OTP: sifbrdaddr.
func (s *Socket) SetIfBrdAddr(name string, a Addr) error { return s.setAddrOf(ioSIFBrdAddr, name, a) }

// SetIfNetmask sets the network mask of an interface. Errors: as SetIfDstAddr; EINVAL for what is no mask. SIOCSIFNETMASK,
// netdevice(7); OTP: sifnetmask.
func (s *Socket) SetIfNetmask(name string, a Addr) error { return s.setAddrOf(ioSIFNetmask, name, a) }

// SetIfHWAddr sets the hardware address of an interface. Errors: EINVAL if type or length are not the device's, EBUSY where
// the device must be down for that. SIOCSIFHWADDR, netdevice(7); OTP: sifhwaddr, documented there and never made.
func (s *Socket) SetIfHWAddr(name string, hw HWAddr) error {
	a := RawAddr(Domain(hw.Type), hw.Addr)
	var arg cIOArg
	if err := a.toC(&arg.addr); err != nil {
		return s.fail(opIOCtl, err)
	}
	return s.ioctlOf(ioSIFHWAddr, name, &arg)
}

// SetIfMTU sets the largest packet that an interface takes, in bytes. Errors: EINVAL for what the device cannot do.
// SIOCSIFMTU, netdevice(7); OTP: sifmtu.
func (s *Socket) SetIfMTU(name string, bytes int) error { return s.setIntOf(ioSIFMTU, name, bytes) }

// SetIfTxQLen sets the length of the transmit queue of an interface, in packets. SIOCSIFTXQLEN, netdevice(7);
// OTP: siftxqlen.
func (s *Socket) SetIfTxQLen(name string, packets int) error {
	return s.setIntOf(ioSIFTXQLen, name, packets)
}
