package esock

import (
	"math"
	"strings"
	"syscall"
)

// factsOf is what the kernel tells of the state of a socket that others have made. Whether one that is connected was bound,
// or has the address that the connection gave it, only they know.
func factsOf(h *handle) (facts uint32) {
	var name cAddr
	if cPeerName(h, &name) >= 0 {
		// A netlink socket always has a peer: the kernel, unless it was connected to another.
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

// isBound reports whether the address is one that a socket has been given: before, the kernel tells the one that is none.
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
