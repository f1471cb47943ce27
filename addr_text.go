package esock

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/esock-go/esock/internal/plain"
)

func utoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// decimal32 reads a decimal number of 32 bits.
func decimal32(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// String formats the address for people and for ParseAddr:
//
//	inet    127.0.0.1:80
//	inet6   [::1]:80, [fe80::1%2]:80, [fe80::1%eth0]:80 (the zone as in Zone)
//	local   /run/x.sock; unix:x.sock where a bare path is ambiguous; @name for an abstract name; unix: for the unnamed address
//	vsock   vsock:3:1024 (cid, port)
//	netlink netlink:1234:0x1 (port, groups)
//	packet  packet:2/aa:bb:cc:dd:ee:ff (interface index, hardware address)
//	others  family 31:0102 (the bytes in hexadecimal)
//
// The shorthands are any, loopback and broadcast. The zero Addr is "", which ParseAddr refuses. The text lacks the
// flowinfo of inet6 and the protocol, packet type and hardware type of packet: use Map to keep them. An invalid
// address gives "invalid inet address" or the like.
func (a Addr) String() string {
	switch a.form {
	case formNone:
		return ""
	case formShort:
		return shortNames.Spell(int(a.a))
	case formBad:
		return "invalid " + a.Family().String() + " address"
	case formRaw:
		return "family " + a.Family().String() + ":" + hex.EncodeToString([]byte(a.data))
	}
	switch a.Family() {
	case Inet, Inet6:
		return a.AddrPort().String()
	case Local:
		switch {
		case strings.HasPrefix(a.data, "\x00"):
			return "@" + a.data[1:]
		case !isPathText(a.data):
			return "unix:" + a.data
		}
		return a.data
	case VSock:
		return "vsock:" + utoa(a.a) + ":" + utoa(a.port)
	}
	if a.Family() == Netlink {
		return "netlink:" + utoa(a.port) + ":0x" + strconv.FormatUint(uint64(a.a), 16)
	}
	l, _ := a.LinkLayer()
	return "packet:" + strconv.Itoa(l.IfIndex) + "/" + l.Hardware.String()
}

// shortNames are the texts of the shorthands.
var shortNames = plain.Names{{shortAny, "any"}, {shortLoopback, "loopback"}, {shortBroadcast, "broadcast"}}

// textForms lists the families whose texts begin with a word, and the parser of each.
var textForms = []struct {
	prefix string
	parse  func(rest string) (a Addr, cause string)
}{
	{"@", func(name string) (Addr, string) { return AbstractAddr(name), "" }},
	{"unix:", func(path string) (Addr, string) {
		if strings.HasPrefix(path, "\x00") {
			return Addr{}, "an abstract name is written @name"
		}
		return UnixAddr(path), ""
	}},
	{"vsock:", parseVSock},
	{"netlink:", parseNetlink},
	{"packet:", parsePacket},
	{"family ", parseRaw},
}

// isPathText reports whether a text is a bare path: it has a slash, and does not begin like another form.
func isPathText(text string) bool {
	for _, f := range textForms {
		if strings.HasPrefix(text, f.prefix) {
			return false
		}
	}
	return strings.Contains(text, "/")
}

// ParseAddr parses what String prints. The family in "family 31:0102" may be a name; a zone may be an interface name,
// which is kept (see WithZone). Host names are not resolved. Other text is an *InvalidError "sockaddr".
func ParseAddr(text string) (Addr, error) {
	a, cause := parseAddr(text)
	if cause == "" && a.form == formBad {
		cause = a.data
	}
	if cause != "" {
		return Addr{}, &InvalidError{What: "sockaddr", Value: text, Cause: cause}
	}
	return a, nil
}

func parseAddr(text string) (a Addr, cause string) {
	for _, f := range textForms {
		if rest, ok := strings.CutPrefix(text, f.prefix); ok {
			return f.parse(rest)
		}
	}
	if short, ok := shortNames.Number(text); ok {
		return Addr{form: formShort, a: uint32(short)}, ""
	}
	switch {
	case strings.HasPrefix(text, "\x00"):
		return a, "an abstract name is written @name"
	case isPathText(text):
		return UnixAddr(text), ""
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, addrPortCause(text)
	}
	return AddrFrom(ap), ""
}

// addrPortCause says what is wrong with a text that is not ip:port.
func addrPortCause(text string) string {
	isIP := func(s string) bool {
		if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
			s = inner[:len(inner)-1]
		}
		_, err := netip.ParseAddr(s)
		return err == nil
	}
	if isIP(text) {
		if strings.Contains(text, ":") && text[0] != '[' {
			return "the port is missing: with one it is [address]:port"
		}
		return "the port is missing"
	}
	if i := strings.LastIndexByte(text, ':'); i >= 0 && isIP(text[:i]) {
		if _, err := strconv.ParseUint(text[i+1:], 10, 16); err != nil {
			return strconv.Quote(text[i+1:]) + " is not a port from 0 to 65535"
		}
	}
	return "neither ip:port nor a path (one without a slash is written unix:path)"
}

func parseVSock(s string) (Addr, string) {
	c, p, _ := strings.Cut(s, ":")
	cid, ok1 := decimal32(c)
	port, ok2 := decimal32(p)
	if !ok1 || !ok2 {
		return Addr{}, "a vsock address is vsock:cid:port"
	}
	return VSockAddr(cid, port), ""
}

func parseNetlink(s string) (Addr, string) {
	p, g, _ := strings.Cut(s, ":")
	port, ok := decimal32(p)
	groups, err := strconv.ParseUint(strings.TrimPrefix(g, "0x"), 16, 32)
	if !ok || err != nil || !strings.HasPrefix(g, "0x") {
		return Addr{}, "a netlink address is netlink:port:0xgroups"
	}
	return NetlinkAddr(port, uint32(groups)), ""
}

func parsePacket(s string) (Addr, string) {
	const cause = "a packet address is packet:index/hardware, the hardware address in hexadecimal, with a colon between bytes"
	i, hardware, slash := strings.Cut(s, "/")
	index, ok := decimal32(i)
	if !slash || !ok || index > math.MaxInt32 {
		return Addr{}, cause
	}
	l := LinkLayer{IfIndex: int(index)}
	if hardware == "" {
		return PacketAddr(l), ""
	}
	for digits := range strings.SplitSeq(hardware, ":") {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) != 1 {
			return Addr{}, cause
		}
		l.Hardware = append(l.Hardware, b...)
	}
	return PacketAddr(l), ""
}

func parseRaw(s string) (Addr, string) {
	name, digits, ok := strings.Cut(s, ":")
	family, cause := domainFromAny(name)
	data, err := hex.DecodeString(digits)
	switch {
	case !ok || err != nil || cause == unknownName:
		return Addr{}, "an address of another family is family number:hexadecimal"
	case cause != "":
		return Addr{}, cause
	}
	return RawAddr(family, data), ""
}

// MarshalText is String, and fails for an invalid address. JSON cannot hold a path that is not UTF-8: use Path.
func (a Addr) MarshalText() ([]byte, error) {
	if err := a.Err(); err != nil {
		return nil, err
	}
	return []byte(a.String()), nil
}

// UnmarshalText is ParseAddr; empty text gives the zero Addr.
func (a *Addr) UnmarshalText(b []byte) (err error) {
	if a == nil {
		return errNowhere("sockaddr")
	}
	if len(b) == 0 {
		*a = Addr{}
		return nil
	}
	*a, err = ParseAddr(string(b))
	return err
}
