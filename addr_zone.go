package esock

import (
	"strings"

	"github.com/esock-go/esock/internal/ctext"
)

// Zones of inet6 addresses (RFC 4007, section 11): fe80::1%eth0. The kernel takes only the index of an interface, and the
// index of a name depends on the network namespace. An Addr belongs to no namespace, so it keeps and prints the name or
// number it was made with. A call looks the name up in the namespace of its socket. Addresses from the kernel have numbers;
// NameZone turns them into names.

// WithZone returns an inet6 address with another zone: an interface name, an index in digits, or "" for none. Each
// call that gets the address looks the name up in its socket's network namespace. If there is no such interface, the
// call returns an *InvalidError "sockaddr" in which errors.Is finds ENODEV. Other families have no zone.
func (a Addr) WithZone(zone string) Addr {
	if a.form != formKnown || a.Family() != Inet6 {
		return badAddr(a.Family(), "only inet6 has a zone")
	}
	a.b, a.data = 0, ""
	n, isNumber := decimal32(zone)
	switch {
	case zone == "":
	case isNumber:
		a.b = n
	case strings.Trim(zone, "0123456789") == "":
		return badAddr(Inet6, "the zone is a number beyond 32 bits")
	default:
		if cause := ifNameCause(zone); cause != "" {
			return badAddr(Inet6, "the zone is not the name of an interface: "+cause)
		}
		a.data = zone
	}
	return a
}

// Zone returns the zone of an inet6 address: the name it was made with, or the scope id. It is "" if there is none.
func (a Addr) Zone() string {
	switch {
	case a.form != formKnown || a.Family() != Inet6:
		return ""
	case a.data != "":
		return a.data
	case a.b != 0:
		return utoa(a.b)
	}
	return ""
}

// ifNameCause says why no interface can have the name, "" if one can: dev_valid_name of Linux.
func ifNameCause(name string) string {
	switch {
	case name == "", name == ".", name == "..":
		return "no interface is called so"
	case len(name) > ifNameMax:
		return "it is longer than 15 bytes"
	case strings.ContainsAny(name, "/: \t\n\v\f\r\xa0"):
		return "it has a blank, a slash or a colon"
	}
	return ctext.Cause(name)
}

// errZoneName is what toC returns for a zone name, whose index only a socket can look up.
var errZoneName = &InvalidError{What: "sockaddr", Cause: "a zone's name is nothing without a socket"}
