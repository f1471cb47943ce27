package esock

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

func utoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// decimal32 reads a decimal number of 32 bits.
func decimal32(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// String is the address for people, and for ParseAddr:
//
//	inet    127.0.0.1:80
//	inet6   [::1]:80, [fe80::1%2]:80, [fe80::1%eth0]:80 (the zone as Zone tells it; flowinfo is not shown)
//	local   /run/x.sock; unix:x.sock where there is no slash; @name for an abstract name; unix: for the unnamed
//	vsock   vsock:3:1024 (cid, port)
//	netlink netlink:1234:0x1 (port, groups)
//	packet  packet:2/aa:bb:cc:dd:ee:ff (interface index, hardware address)
//	others  family 31:0102 (the bytes in hexadecimal)
func (a Addr) String() string {
	switch a.form {
	case formNone:
		return ""
	case formShort:
		return [...]string{shortAny: "any", shortLoopback: "loopback", shortBroadcast: "broadcast"}[a.a]
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
		case !strings.Contains(a.data, "/") || strings.HasPrefix(a.data, "@") || strings.HasPrefix(a.data, "unix:"):
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

// ParseAddr reads the text of an inet, inet6, local, vsock or netlink address as String prints it. It knows no host
// names; the zone of an inet6 address may be the name of an interface, which it keeps (see WithZone). Other text is an *InvalidError "sockaddr".
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
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return AbstractAddr(name), ""
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if strings.HasPrefix(path, "\x00") {
			return a, "an abstract name is written @name"
		}
		return UnixAddr(path), ""
	}
	if strings.HasPrefix(text, "\x00") {
		return a, "an abstract name is written @name"
	}
	if strings.Contains(text, "/") {
		return UnixAddr(text), ""
	}
	if s, ok := strings.CutPrefix(text, "vsock:"); ok {
		c, p, _ := strings.Cut(s, ":")
		cid, ok1 := decimal32(c)
		port, ok2 := decimal32(p)
		if !ok1 || !ok2 {
			return a, "a vsock address is vsock:cid:port"
		}
		return VSockAddr(cid, port), ""
	}
	if s, ok := strings.CutPrefix(text, "netlink:"); ok {
		p, g, _ := strings.Cut(s, ":")
		port, ok := decimal32(p)
		groups, err := strconv.ParseUint(strings.TrimPrefix(g, "0x"), 16, 32)
		if !ok || err != nil || !strings.HasPrefix(g, "0x") {
			return a, "a netlink address is netlink:port:0xgroups"
		}
		return NetlinkAddr(port, uint32(groups)), ""
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, "neither ip:port nor a path (one without a slash is written unix:path)"
	}
	return AddrFrom(ap), ""
}

// MarshalText is String, for JSON and flags. JSON cannot hold a path that is not UTF-8: for such ones there is Path.
func (a Addr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAddr; no text is the zero Addr.
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
