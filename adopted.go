package esock

import (
	"math"
	"strings"
	"syscall"
)

// factsOf returns what the kernel reports about the state of an adopted socket. It does not report whether a connected one was
// bound, or got its address from the connection.
func factsOf(h *handle) (facts uint32) {
	var name cAddr
	if cPeerName(h, &name) >= 0 {
		// A netlink socket always has a peer: the kernel, if it was not connected to another.
		if a := addrFromC(&name, Addr{}); a.Family() != Netlink || a.port != 0 || a.a != 0 {
			return factConnected
		}
	}
	if cSockName(h, &name) >= 0 && addrFromC(&name, Addr{}).isBound() {
		facts |= factBound
	}
	var on [4]byte
	if n, r := cGetOptNative(h, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN, on[:]); r >= 0 && n == len(on) && on != [4]byte{} {
		facts |= factListening
	}
	return facts
}

// isBound reports whether the address is that of a bound socket. For an unbound socket the kernel reports an empty
// or wildcard one.
func (a Addr) isBound() bool {
	if a.form == formRaw {
		return strings.Trim(a.data, "\x00") != ""
	}
	switch a.Family() {
	case Inet, Inet6:
		return a.port != 0 || !a.ip.IsUnspecified()
	case Local:
		return a.data != ""
	case VSock:
		return a.port != math.MaxUint32
	case Netlink:
		return a.port != 0
	case Packet:
		return a.a != 0
	}
	return false
}
