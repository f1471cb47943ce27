package esock

import (
	"math"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock/internal/ctext"
)

// Addr is the address of a socket, of any family: a comparable value, without pointers to be careful with.
// The zero Addr is "no address".
//
// The constructors do not fail. One that was given what cannot be (an IPv6 address for Inet4Addr) makes an
// address that every use refuses with an *InvalidError "sockaddr" saying why.
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

// Shorthands that Bind resolves for the socket's domain, inet or inet6, with port 0. (For a port, give the
// constructor netip.IPv4Unspecified or its like.)
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

// Inet4Addr is an IPv4 address and port; sockaddr_in. An IPv4 address in IPv6 form (::ffff:a.b.c.d) is taken for
// what it means.
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

// Inet6Addr is an IPv6 address and port; sockaddr_in6. scopeID is the index of the interface that a
// link-local address belongs to, else 0; a zone in ip is refused (WithZone takes one). IPv4 addresses become
// ::ffff:a.b.c.d.
func Inet6Addr(ip netip.Addr, port uint16, scopeID uint32) Addr {
	switch {
	case !ip.IsValid():
		return badAddr(Inet6, "not an IP address")
	case ip.Zone() != "":
		return badAddr(Inet6, "the zone belongs into the scope id; AddrFrom and WithZone take a zone")
	}
	return Addr{form: formKnown, family: uint16(Inet6), ip: netip.AddrFrom16(ip.As16()), port: uint32(port), b: scopeID}
}

// WithFlowInfo is an inet6 address with the flow label, 20 bits (RFC 6437). Other families have none.
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

// AddrFrom is the inet or inet6 address that ap is. A zone is the name of an interface or its index; see WithZone.
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

// UnixAddr is the address of a unix socket in the file system, at most 108 bytes without a NUL; sockaddr_un. The empty path
// is the unnamed address: binding to it lets Linux choose an abstract name. A path that starts with a NUL is an abstract
// name, and may have more of them. Programs that want a NUL behind a path, as C does, do not reach one of 108 bytes.
func UnixAddr(path string) Addr {
	if len(path) > unixPathMax {
		return badAddr(Local, "the path is too long")
	}
	if !strings.HasPrefix(path, "\x00") {
		if cause := ctext.Cause(path); cause != "" {
			return badAddr(Local, cause)
		}
	}
	return Addr{form: formKnown, family: uint16(Local), data: path}
}

// AbstractAddr is an abstract unix address (Linux), at most 107 bytes, without the leading NUL; unix(7).
func AbstractAddr(name string) Addr { return UnixAddr("\x00" + name) }

// PacketAddr is the address of a packet socket; packet(7), sockaddr_ll.
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

// LinkLayer is what a packet address consists of.
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

// VSockAddr is the address of a socket between a virtual machine and its host; vsock(7), sockaddr_vm. Port
// math.MaxUint32 is any port.
func VSockAddr(cid, port uint32) Addr {
	return Addr{form: formKnown, family: uint16(VSock), a: cid, port: port}
}

// NetlinkAddr is the address of a netlink socket; netlink(7), sockaddr_nl. port names the socket, 0 the kernel (in
// bind: the kernel chooses). groups are the multicast groups 1 to 32, a bit each: NetlinkAddMembership joins all.
func NetlinkAddr(port, groups uint32) Addr {
	return Addr{form: formKnown, family: uint16(Netlink), port: port, a: groups}
}

// RawAddr is an address of any family, given as the bytes that follow the family in its sockaddr. Connecting a
// datagram socket to RawAddr(Unspec, nil) dissolves its connection.
func RawAddr(family Domain, data []byte) Addr {
	switch {
	case family < 0 || family > math.MaxUint16:
		return badAddr(Unspec, "a family has 16 bits")
	case len(data) > addrDataMax:
		return badAddr(family, "more data than a sockaddr holds")
	}
	return Addr{form: formRaw, family: uint16(family), data: string(data)}
}

// Err says why a is no address, for one that a constructor made of what cannot be: an *InvalidError "sockaddr". It is nil
// for all others.
func (a Addr) Err() error {
	if a.form != formBad {
		return nil
	}
	return &InvalidError{What: "sockaddr", Cause: a.data}
}

// IsZero says whether a is no address at all.
func (a Addr) IsZero() bool { return a == Addr{} }

// Family is the address family. The zero Addr and the shorthands have Unspec.
func (a Addr) Family() Domain { return Domain(a.family) }

// IP is the address of an inet or inet6 address, without a zone, and the zero netip.Addr for all others.
func (a Addr) IP() netip.Addr {
	if a.form != formKnown {
		return netip.Addr{}
	}
	return a.ip
}

// Port is the port of an inet, inet6, vsock or netlink address, 0 for all others.
func (a Addr) Port() uint32 {
	if a.form != formKnown {
		return 0
	}
	return a.port
}

// FlowInfo is the flow label of an inet6 address, 0 for all others.
func (a Addr) FlowInfo() uint32 {
	if a.form != formKnown || a.Family() != Inet6 {
		return 0
	}
	return a.a
}

// ScopeID is the index of the interface that a link-local inet6 address belongs to, 0 for all others, and for one whose
// zone is a name: see Zone.
func (a Addr) ScopeID() uint32 {
	if a.form != formKnown || a.Family() != Inet6 {
		return 0
	}
	return a.b
}

// AddrPort is the IP address, with Zone as its zone, and port of an inet or inet6 address, and the zero netip.AddrPort for
// all others. A zone makes it allocate.
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

// Path is the bytes of a unix address: a path, an abstract name with its leading NUL, or nothing for the unnamed
// one. Other families have "" as well.
func (a Addr) Path() string {
	if a.form != formKnown || a.Family() != Local {
		return ""
	}
	return a.data
}

// LinkLayer takes a packet address apart; false for other families.
func (a Addr) LinkLayer() (LinkLayer, bool) {
	if a.form != formKnown || a.Family() != Packet {
		return LinkLayer{}, false
	}
	return LinkLayer{Protocol: uint16(a.b >> 16), IfIndex: int(a.a), PktType: a.kind, HaType: uint16(a.b),
		Hardware: net.HardwareAddr(a.data)}, true
}

// CID is the context id of a vsock address; false for other families.
func (a Addr) CID() (uint32, bool) {
	if a.form != formKnown || a.Family() != VSock {
		return 0, false
	}
	return a.a, true
}

// Groups is the multicast groups of a netlink address, a bit each; false for other families.
func (a Addr) Groups() (uint32, bool) {
	if a.form != formKnown || a.Family() != Netlink {
		return 0, false
	}
	return a.a, true
}

// RawData is what follows the family in the sockaddr, for addresses that esock does not take apart; false for
// those that it does.
func (a Addr) RawData() ([]byte, bool) {
	if a.form != formRaw {
		return nil, false
	}
	return []byte(a.data), true
}

// resolve is the address that a shorthand means on a socket of the domain; other addresses are returned as
// they are.
func (a Addr) resolve(d Domain) (Addr, error) {
	if a.form != formShort {
		return a, nil
	}
	var c cAddr
	switch err := errnoOf(cShorthand(&c, int(d), int(a.a))); err {
	case nil:
		return addrFromC(&c, Addr{}), nil
	case syscall.EINVAL:
		return Addr{}, &InvalidError{What: "sockaddr", Value: a, Cause: d.String() + " has no such address"}
	default:
		return Addr{}, err
	}
}

// toC writes a as the core wants it. What is no address gives an *InvalidError "sockaddr", a zone's name errZoneName:
// calls on a socket use its addrToC.
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

// addrFromC reads what the core wrote. prev is an address that it may be equal to, the last peer's: its bytes are
// used again, so that hearing from the same peer allocates nothing.
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

// sameString is string(b), without an allocation if it is s.
func sameString(b []byte, s string) string {
	if string(b) == s {
		return s
	}
	return string(b)
}
