package esock

import (
	"errors"
	"syscall"
)

// Zone names are looked up in the network namespace of a socket; addr_zone.go explains zones.

// addrToC writes an address for a call on the socket.
func (s *Socket) addrToC(a *Addr, c *cAddr) error {
	err := a.toC(c)
	if err == errZoneName {
		return s.zoneToC(*a, c)
	}
	return err
}

// zoneToC writes an address whose zone is a name.
func (s *Socket) zoneToC(a Addr, c *cAddr) error {
	index, err := s.ifIndex(a.data)
	if err != nil {
		if e, ok := err.(*Error); ok {
			err = e.Reason
		}
		if errors.Is(err, syscall.ENODEV) {
			err = noZone{&InvalidError{What: "sockaddr", Value: a,
				Cause: "the zone is not an interface in the socket's network namespace"}}
		}
		return err
	}
	a.b, a.data = uint32(index), ""
	return a.toC(c)
}

// noZone is an *InvalidError in which errors.Is finds ENODEV as well.
type noZone struct{ *InvalidError }

func (e noZone) Unwrap() error { return e.InvalidError }

func (e noZone) Is(target error) bool { return target == syscall.ENODEV }

// NameZone replaces the scope id of an inet6 address by the interface's current name in the socket's network
// namespace, as package net prints it. Without one, or of a closed socket, it returns the address unchanged.
func (s *Socket) NameZone(a Addr) Addr {
	if a.ScopeID() == 0 {
		return a
	}
	name, err := s.ifName(int(a.b))
	if err != nil {
		return a
	}
	if named := a.WithZone(name); named.data == name { // a name of digits would mean an index
		return named
	}
	return a
}
