package sctp

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/esock-go/esock"
)

// Lengths of struct sockaddr_in and struct sockaddr_in6.
const (
	size4 = 16
	size6 = 28
)

const flowLabel = 1<<20 - 1 // the bits of sin6_flowinfo that WithFlowInfo takes

// appendSockaddrs appends the addresses as the kernel's calls with several addresses take them: each as long as its
// family says. Errors: *esock.InvalidError "sockaddr".
func appendSockaddrs(b []byte, addrs []esock.Addr) ([]byte, error) {
	if len(addrs) == 0 {
		return nil, invalid("sockaddr", nil, "no address was given")
	}
	for _, a := range addrs {
		switch {
		case a.Err() != nil:
			return nil, a.Err()
		case a.Family() == esock.Inet && a.IP().Is4():
			b = binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(b, syscall.AF_INET), uint16(a.Port()))
			b = append(append(b, a.IP().AsSlice()...), make([]byte, size4-8)...)
		case a.Family() == esock.Inet6 && a.IP().Is6():
			if a.Zone() != "" && a.ScopeID() == 0 {
				return nil, invalid("sockaddr", a, "a list of addresses takes the number of a zone, not its name")
			}
			ip := a.IP().As16()
			b = binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(b, syscall.AF_INET6), uint16(a.Port()))
			b = binary.BigEndian.AppendUint32(b, a.FlowInfo())
			b = binary.NativeEndian.AppendUint32(append(b, ip[:]...), a.ScopeID())
		default:
			return nil, invalid("sockaddr", a, "SCTP takes addresses of inet and inet6")
		}
	}
	return b, nil
}

// sockaddr reads an address, and returns its length: 0 if b is too short. Of another family than inet and inet6 it
// takes all of b.
func sockaddr(b []byte) (esock.Addr, int) {
	if len(b) < 2 {
		return esock.Addr{}, 0
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == syscall.AF_UNSPEC:
		return esock.Addr{}, len(b)
	case family == syscall.AF_INET && len(b) >= size4:
		return esock.Inet4Addr(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), size4
	case family == syscall.AF_INET6 && len(b) >= size6:
		ip, scope := netip.AddrFrom16([16]byte(b[8:24])), binary.NativeEndian.Uint32(b[24:])
		a := esock.Inet6Addr(ip, binary.BigEndian.Uint16(b[2:]), scope)
		return a.WithFlowInfo(binary.BigEndian.Uint32(b[4:]) & flowLabel), size6
	case family == syscall.AF_INET || family == syscall.AF_INET6:
		return esock.Addr{}, 0
	default:
		return esock.RawAddr(esock.Domain(family), b[2:]), len(b)
	}
}
