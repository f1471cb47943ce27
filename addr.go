package esock

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock/internal/ctext"
)

// Addr is a socket address of any family: a comparable value without pointers to shared memory. The zero Addr is "no
// address".
//
// Constructors do not fail. An invalid argument (an IPv6 address for Inet4Addr) makes an Addr that every use refuses
// with an *InvalidError "sockaddr" that says why.
type Addr struct {
	ip     netip.Addr // inet, inet6; never with a zone
	data   string     // local: path; inet6: name of the zone; packet: hardware address; raw: what follows the family; bad: why
	family uint16
	form   addrForm
	kind   uint8  // packet: pkttype
	port   uint32 // inet, inet6, vsock, netlink
	a      uint32 // inet6: flowinfo; vsock: cid; packet: interface index; netlink: groups
	b      uint32 // inet6: scope id; packet: protocol<<16 | hatype
}

type addrForm uint8

const (
	formNone  addrForm = iota // the zero Addr
	formKnown                 // the fields of the family are set
	formRaw                   // family and data only
	formShort                 // a shorthand; a is which
	formBad                   // not an address; data says why
)

// Shorthands that Bind resolves for the socket's domain, inet or inet6, with port 0. With a port:
// Inet4Addr(netip.IPv4Unspecified(), port) or the like.
var (
	Any       = Addr{form: formShort, a: shortAny}
	Loopback  = Addr{form: formShort, a: shortLoopback}
	Broadcast = Addr{form: formShort, a: shortBroadcast} // inet only
)

const (
	unixPathMax = 108 // sun_path; Linux takes a path that fills it and has no NUL, and an abstract name with its leading one
	flowInfoMax = 1<<20 - 1
	addrDataMax = len(cAddr{}.data)
	hardwareMax = 32 // MAX_ADDR_LEN of Linux; sockaddr_ll shows only 8 of them
)

func badAddr(family Domain, cause string) Addr {
	return Addr{form: formBad, family: uint16(family), data: cause}
}

// Inet4Addr makes an IPv4 address, also of ::ffff:a.b.c.d; sockaddr_in.
func Inet4Addr(ip netip.Addr, port uint16) Addr {
	zone := ip.Zone()
	switch ip = ip.Unmap(); {
	case !ip.Is4():
		return badAddr(Inet, "not an IPv4 address")
	case zone != "":
		return badAddr(Inet, "an IPv4 address has no zone")
	}
	return Addr{form: formKnown, family: uint16(Inet), ip: ip, port: uint32(port)}
}

// Inet6Addr makes an IPv6 address with port (sockaddr_in6). scopeID is the interface index of a link-local address,
// else 0. A zone in ip is refused: use WithZone. IPv4 addresses become ::ffff:a.b.c.d.
func Inet6Addr(ip netip.Addr, port uint16, scopeID uint32) Addr {
	switch {
	case !ip.IsValid():
		return badAddr(Inet6, "not an IP address")
	case ip.Zone() != "":
		return badAddr(Inet6, "the zone belongs in the scope id; AddrFrom and WithZone take a zone")
	}
	return Addr{form: formKnown, family: uint16(Inet6), ip: netip.AddrFrom16(ip.As16()), port: uint32(port), b: scopeID}
}

// WithFlowInfo sets the flow label (20 bits) of an inet6 address; RFC 6437.
func (a Addr) WithFlowInfo(flow uint32) Addr {
	switch {
	case a.form != formKnown || a.Family() != Inet6:
		return badAddr(a.Family(), "only inet6 has flowinfo")
	case flow > flowInfoMax:
		return badAddr(Inet6, "flowinfo has 20 bits")
	}
	a.a = flow
	return a
}

// AddrFrom makes an inet or inet6 address of ap. For a zone, see WithZone.
func AddrFrom(ap netip.AddrPort) Addr {
	ip := ap.Addr()
	if ip.Is4() {
		return Inet4Addr(ip, ap.Port())
	}
	zone := ip.Zone()
	a := Inet6Addr(ip.WithZone(""), ap.Port(), 0)
	if zone != "" {
		return a.WithZone(zone)
	}
	return a
}

// UnixAddr makes the address of a unix socket in the file system (sockaddr_un): at most 108 bytes without a NUL. A
// path of 108 bytes is out of reach of programs that expect a NUL after it. Binding to the empty path, the unnamed
// address, lets Linux choose an abstract name. A path that starts with a NUL is an abstract name, in which NULs are
// allowed.
func UnixAddr(path string) Addr {
	if len(path) > unixPathMax {
		return badAddr(Local, fmt.Sprintf("the path has %d bytes, and %d fit", len(path), unixPathMax))
	}
	if !strings.HasPrefix(path, "\x00") {
		if cause := ctext.Cause(path); cause != "" {
			return badAddr(Local, cause)
		}
	}
	return Addr{form: formKnown, family: uint16(Local), data: path}
}

// AbstractAddr makes an abstract unix address, a NUL and the name; unix(7).
func AbstractAddr(name string) Addr { return UnixAddr("\x00" + name) }

// PacketAddr makes the address of a packet socket; packet(7), sockaddr_ll.
func PacketAddr(l LinkLayer) Addr {
	switch {
	case len(l.Hardware) > hardwareMax:
		return badAddr(Packet, "a hardware address has up to 32 bytes")
	case l.IfIndex < 0 || l.IfIndex > math.MaxInt32:
		return badAddr(Packet, "not an interface index")
	}
	return Addr{form: formKnown, family: uint16(Packet), kind: l.PktType, a: uint32(l.IfIndex),
		b: uint32(l.Protocol)<<16 | uint32(l.HaType), data: string(l.Hardware)}
}

// LinkLayer holds the parts of a packet address.
type LinkLayer struct {
	Protocol uint16           // Ethernet protocol, host byte order
	IfIndex  int              // interface; 0: any
	PktType  uint8            // PACKET_HOST (0), PACKET_BROADCAST (1), …; received only
	HaType   uint16           // ARPHRD_ETHER (1), …; received only
	Hardware net.HardwareAddr // up to 32 bytes
}

// Context ids of vsock addresses; vsock(7).
const (
	VSockAny        uint32 = math.MaxUint32 // bind: any context
	VSockHypervisor uint32 = 0
	VSockLocal      uint32 = 1 // this machine
	VSockHost       uint32 = 2
)

// VSockAddr makes the address of a socket between a virtual machine and its host; vsock(7), sockaddr_vm. Port
// math.MaxUint32 is any port.
func VSockAddr(cid, port uint32) Addr {
	return Addr{form: formKnown, family: uint16(VSock), a: cid, port: port}
}

// NetlinkAddr makes a netlink address; netlink(7), sockaddr_nl. Port 0 is the kernel, in Bind the kernel's choice.
// groups has a bit for each of the multicast groups 1 to 32; NetlinkAddMembership joins any group.
func NetlinkAddr(port, groups uint32) Addr {
	return Addr{form: formKnown, family: uint16(Netlink), port: port, a: groups}
}

// RawAddr makes an address of a family and the bytes after it in a sockaddr.
func RawAddr(family Domain, data []byte) Addr {
	switch {
	case family < 0 || family > math.MaxUint16:
		return badAddr(Unspec, "a family has 16 bits")
	case len(data) > addrDataMax:
		return badAddr(family, "more data than a sockaddr holds")
	}
	return Addr{form: formRaw, family: uint16(family), data: string(data)}
}

// Err returns the *InvalidError "sockaddr" of an invalid address, else nil.
func (a Addr) Err() error {
	if a.form != formBad {
		return nil
	}
	return &InvalidError{What: "sockaddr", Cause: a.data}
}

// IsZero reports whether a is the zero Addr.
func (a Addr) IsZero() bool { return a == Addr{} }

// Family returns the family, Unspec for the zero Addr and the shorthands.
func (a Addr) Family() Domain { return Domain(a.family) }

// IP returns an inet or inet6 address without zone, else the zero netip.Addr.
func (a Addr) IP() netip.Addr {
	if a.form != formKnown {
		return netip.Addr{}
	}
	return a.ip
}

// Port returns the port of an inet, inet6, vsock or netlink address, else 0.
func (a Addr) Port() uint32 {
	if a.form != formKnown {
		return 0
	}
	return a.port
}

// FlowInfo returns the flow label of an inet6 address, else 0.
func (a Addr) FlowInfo() uint32 {
	if a.form != formKnown || a.Family() != Inet6 {
		return 0
	}
	return a.a
}

// ScopeID returns the interface index of a link-local inet6 address. It is 0 for other addresses and if the zone is a
// name.
func (a Addr) ScopeID() uint32 {
	if a.form != formKnown || a.Family() != Inet6 {
		return 0
	}
	return a.b
}

// AddrPort returns address, zone and port of an inet or inet6 address, else the zero netip.AddrPort. A zone makes it
// allocate.
func (a Addr) AddrPort() netip.AddrPort {
	ip := a.IP()
	if !ip.IsValid() {
		return netip.AddrPort{}
	}
	if zone := a.Zone(); zone != "" {
		ip = ip.WithZone(zone)
	}
	return netip.AddrPortFrom(ip, uint16(a.port))
}

// Path returns a unix path, an abstract name with its leading NUL, or "".
func (a Addr) Path() string {
	if a.form != formKnown || a.Family() != Local {
		return ""
	}
	return a.data
}

// LinkLayer returns the parts of a packet address; false for other families.
func (a Addr) LinkLayer() (LinkLayer, bool) {
	if a.form != formKnown || a.Family() != Packet {
		return LinkLayer{}, false
	}
	return LinkLayer{Protocol: uint16(a.b >> 16), IfIndex: int(a.a), PktType: a.kind, HaType: uint16(a.b),
		Hardware: net.HardwareAddr(a.data)}, true
}

// CID returns the context id of a vsock address; false for other families.
func (a Addr) CID() (uint32, bool) {
	if a.form != formKnown || a.Family() != VSock {
		return 0, false
	}
	return a.a, true
}

// Groups returns the multicast groups of a netlink address, one bit each.
func (a Addr) Groups() (uint32, bool) {
	if a.form != formKnown || a.Family() != Netlink {
		return 0, false
	}
	return a.a, true
}

// RawData returns the bytes after the family of a RawAddr; false for others.
func (a Addr) RawData() ([]byte, bool) {
	if a.form != formRaw {
		return nil, false
	}
	return []byte(a.data), true
}

// shorthands are the addresses that the shorthands stand for, of inet and of inet6. IPv6 has no broadcast.
var shorthands = [...][2]netip.Addr{
	shortAny:       {netip.IPv4Unspecified(), netip.IPv6Unspecified()},
	shortLoopback:  {netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
	shortBroadcast: {netip.AddrFrom4([4]byte{255, 255, 255, 255}), {}},
}

// resolve returns the address that a shorthand means on a socket of the domain, and other addresses unchanged.
func (a Addr) resolve(d Domain) (Addr, error) {
	if a.form != formShort {
		return a, nil
	}
	ips := &shorthands[a.a]
	switch {
	case d == Inet:
		return Inet4Addr(ips[0], 0), nil
	case d == Inet6 && ips[1].IsValid():
		return Inet6Addr(ips[1], 0, 0), nil
	case d == Inet6:
		return Addr{}, &InvalidError{What: "sockaddr", Value: a, Cause: d.String() + " has no such address"}
	}
	return Addr{}, syscall.EAFNOSUPPORT
}

// toC writes a for the core. Errors: *InvalidError "sockaddr"; errZoneName for a zone name, so calls on a socket use addrToC.
func (a *Addr) toC(c *cAddr) error {
	*c = cAddr{family: cU16(a.family), form: addrKnown}
	switch a.form {
	case formNone:
		return &InvalidError{What: "sockaddr", Cause: "no address was given"}
	case formShort:
		return &InvalidError{What: "sockaddr", Value: *a, Cause: "only Bind knows the shorthands"}
	case formBad:
		return a.Err()
	case formRaw:
		c.form = addrRaw
		c.len = cU8(copy(cAddrData(c)[:], a.data))
		return nil
	}
	switch a.Family() {
	case Inet:
		*(*[4]byte)(cAddrIP(c)[:]) = a.ip.As4()
		c.port = cU32(a.port)
	case Inet6:
		if a.data != "" {
			return errZoneName
		}
		*cAddrIP(c) = a.ip.As16()
		c.port, c.flowinfo, c.scope_id = cU32(a.port), cU32(a.a), cU32(a.b)
	case Local:
		c.len = cU8(copy(cAddrData(c)[:], a.data))
	case Packet:
		c.ifindex, c.pkttype = cI32(a.a), cU8(a.kind)
		c.protocol, c.hatype = cU16(a.b>>16), cU16(a.b)
		c.len = cU8(copy(cAddrData(c)[:], a.data))
	case VSock:
		c.cid, c.port = cU32(a.a), cU32(a.port)
	case Netlink:
		c.groups, c.port = cU32(a.a), cU32(a.port)
	}
	return nil
}

// addrFromC reads an address that the core wrote. prev is the last peer's address: its bytes are reused if they are equal, so
// that receiving from the same peer allocates nothing.
func addrFromC(c *cAddr, prev Addr) Addr {
	a := Addr{family: uint16(c.family), form: formKnown}
	data := cAddrData(c)[:c.len]
	switch c.form {
	case addrNone:
		return Addr{}
	case addrRaw:
		a.form = formRaw
		a.data = sameString(data, prev.data)
		return a
	}
	switch a.Family() {
	case Inet:
		a.ip = netip.AddrFrom4(*(*[4]byte)(cAddrIP(c)[:]))
		a.port = uint32(c.port)
	case Inet6:
		a.ip = netip.AddrFrom16(*cAddrIP(c))
		a.port, a.a, a.b = uint32(c.port), uint32(c.flowinfo), uint32(c.scope_id)
	case Local:
		a.data = sameString(data, prev.data)
	case Packet:
		a.a, a.kind = uint32(c.ifindex), uint8(c.pkttype)
		a.b = uint32(c.protocol)<<16 | uint32(c.hatype)
		a.data = sameString(data, prev.data)
	case VSock:
		a.a, a.port = uint32(c.cid), uint32(c.port)
	case Netlink:
		a.a, a.port = uint32(c.groups), uint32(c.port)
	}
	return a
}

func cAddrIP(c *cAddr) *[16]byte            { return (*[16]byte)(unsafe.Pointer(&c.ip)) }
func cAddrData(c *cAddr) *[addrDataMax]byte { return (*[addrDataMax]byte)(unsafe.Pointer(&c.data)) }

// sameString returns string(b), without an allocation if b equals s.
func sameString(b []byte, s string) string {
	if string(b) == s {
		return s
	}
	return string(b)
}
