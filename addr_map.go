package esock

import (
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Packet types, and hardware types, as OTP names them; packet(7), <net/if_arp.h>.
var (
	pktTypeNames = []namedNumber{
		{0, "host"}, {1, "broadcast"}, {2, "multicast"}, {3, "otherhost"}, {4, "outgoing"}, {5, "loopback"},
		{6, "user"}, {7, "kernel"},
	}
	haTypeNames = []namedNumber{
		{0, "netrom"}, {1, "ether"}, {2, "eether"}, {3, "ax25"}, {4, "pronet"}, {5, "chaos"}, {6, "ieee802"},
		{7, "arcnet"}, {8, "appletlk"}, {15, "dlci"}, {19, "atm"}, {23, "metricom"}, {24, "ieee1394"}, {27, "eui64"},
		{32, "infiniband"}, {768, "tunnel"}, {769, "tunnel6"}, {772, "loopback"}, {773, "localtlk"}, {0xFFFE, "none"},
		{0xFFFF, "void"},
	}
	cidNames = []namedNumber{
		{int(VSockAny), "any"}, {int(VSockHypervisor), "hypervisor"}, {int(VSockLocal), "local"}, {int(VSockHost), "host"},
	}
)

// Map is the address with OTP's keys (socket:sockaddr()), made of plain data: strings, integers, bytes. Its
// twin is AddrFromMap.
//
//	inet    family, addr, port
//	inet6   family, addr, port, flowinfo, scope_id (text, where the zone is the name of an interface)
//	local   family, path (an abstract name has its leading NUL)
//	packet  family, protocol, ifindex, pkttype, hatype, addr (bytes)
//	vsock   family, cid, port
//	netlink family, port, groups
//	others  family, addr (the bytes that follow the family); so has the zero Addr, with unspec and no bytes
//
// A shorthand has only addr, and no twin: it means nothing without a socket.
func (a Addr) Map() map[string]any {
	switch a.form {
	case formShort, formBad:
		return map[string]any{"addr": a.String()}
	case formNone, formRaw:
		return map[string]any{"family": plainName(domainNames, int(a.family)), "addr": []byte(a.data)}
	}
	m := map[string]any{"family": a.Family().String()}
	switch a.Family() {
	case Inet, Inet6:
		m["addr"] = a.ip.String()
		m["port"] = int(a.port)
		if a.Family() == Inet6 {
			m["flowinfo"], m["scope_id"] = int(a.a), int(a.b)
			if a.data != "" {
				m["scope_id"] = a.data
			}
		}
	case Local:
		m["path"] = a.data
	case Packet:
		l, _ := a.LinkLayer()
		m["protocol"], m["ifindex"] = int(l.Protocol), l.IfIndex
		m["pkttype"] = plainName(pktTypeNames, int(l.PktType))
		m["hatype"] = plainName(haTypeNames, int(l.HaType))
		m["addr"] = []byte(a.data)
	case VSock:
		m["cid"] = plainName(cidNames, int(a.a))
		m["port"] = int(a.port)
	case Netlink:
		m["port"], m["groups"] = int(a.port), int(a.a)
	}
	return m
}

// AddrFromMap makes an address of a map as Map returns it. The key family is needed (a name or a number);
// missing others have the defaults of OTP: port, flowinfo, scope_id and the numbers of packet 0, addr and cid
// any, path and bytes empty. addr of inet and inet6 is a text, a netip.Addr, or one of any, loopback and (inet)
// broadcast. The zone of inet6 is in addr or in scope_id, there as an index or as the name of an interface (WithZone). Unknown keys, wrong types and numbers out of range are refused by name, with an *InvalidError
// "sockaddr".
func AddrFromMap(m map[string]any) (Addr, error) {
	f, ok := m["family"]
	if !ok {
		return Addr{}, &InvalidError{What: "sockaddr", Value: m, Cause: "the key family is missing"}
	}
	d, err := nameFromAny("sockaddr", domainNames, f)
	if err != nil {
		return Addr{}, &InvalidError{What: "sockaddr", Value: m, Cause: "family: neither a known name nor a number"}
	}
	r := mapReader{m: m, used: []string{"family"}}
	a := r.addr(Domain(d))
	if cause := r.finish(); cause != "" {
		return Addr{}, &InvalidError{What: "sockaddr", Value: m, Cause: cause}
	}
	if a.form == formBad {
		return Addr{}, &InvalidError{What: "sockaddr", Value: m, Cause: a.data}
	}
	return a, nil
}

func (r *mapReader) addr(d Domain) Addr {
	switch d {
	case Inet:
		return Inet4Addr(r.ip("addr", Inet), uint16(r.number("port", 0, math.MaxUint16, 0)))
	case Inet6:
		ip := r.ip("addr", Inet6)
		a := Inet6Addr(ip.WithZone(""), uint16(r.number("port", 0, math.MaxUint16, 0)), 0)
		if zone := r.zone("scope_id", ip.Zone()); a.form == formKnown {
			a = a.WithZone(zone)
		}
		if flow := uint32(r.number("flowinfo", 0, flowInfoMax, 0)); a.form == formKnown {
			a.a = flow
		}
		return a
	case Local:
		return UnixAddr(string(r.bytes("path")))
	case Packet:
		return PacketAddr(LinkLayer{
			Protocol: uint16(r.number("protocol", 0, math.MaxUint16, 0)),
			IfIndex:  int(r.number("ifindex", 0, math.MaxInt32, 0)),
			PktType:  uint8(r.named("pkttype", pktTypeNames, math.MaxUint8, 0)),
			HaType:   uint16(r.named("hatype", haTypeNames, math.MaxUint16, 0)),
			Hardware: net.HardwareAddr(r.bytes("addr")),
		})
	case VSock:
		return VSockAddr(uint32(r.named("cid", cidNames, math.MaxUint32, int64(VSockAny))),
			uint32(r.number("port", 0, math.MaxUint32, 0)))
	case Netlink:
		return NetlinkAddr(uint32(r.number("port", 0, math.MaxUint32, 0)), uint32(r.number("groups", 0, math.MaxUint32, 0)))
	}
	return RawAddr(d, r.bytes("addr"))
}

// mapReader takes the values out of a map from outside, remembers which keys were asked for, and the first thing
// that was wrong.
type mapReader struct {
	m     map[string]any
	used  []string
	cause string
}

func (r *mapReader) get(key string) (any, bool) {
	r.used = append(r.used, key)
	v, ok := r.m[key]
	return v, ok
}

func (r *mapReader) wrong(key, cause string) {
	if r.cause == "" {
		r.cause = key + ": " + cause
	}
}

// finish says what was wrong with the map, keys that nobody asked for included; "" if nothing.
func (r *mapReader) finish() string {
	var unknown []string
	for k := range r.m {
		if !slices.Contains(r.used, k) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return "unknown keys: " + strings.Join(unknown, ", ")
	}
	return r.cause
}

func (r *mapReader) number(key string, low, high, def int64) int64 {
	v, ok := r.get(key)
	if !ok {
		return def
	}
	n, ok := integer(v)
	switch {
	case !ok:
		r.wrong(key, "not an integer")
	case n < low || n > high:
		r.wrong(key, "out of range")
	default:
		return n
	}
	return def
}

// zone reads a zone, an index or a name, which may be in the address instead.
func (r *mapReader) zone(key, inAddr string) string {
	v, ok := r.m[key]
	name, isText := v.(string)
	switch {
	case ok && inAddr != "":
		r.wrong(key, "there is a zone in addr, too")
	case isText && name == "":
		r.wrong(key, "neither an index nor the name of an interface")
	case ok && !isText:
		return utoa(uint32(r.number(key, 0, math.MaxUint32, 0)))
	}
	r.used = append(r.used, key)
	if isText {
		return name
	}
	return inAddr
}

func (r *mapReader) named(key string, table []namedNumber, high, def int64) int64 {
	if s, ok := r.m[key].(string); ok {
		r.used = append(r.used, key)
		n, ok := numberOf(table, s)
		if !ok {
			r.wrong(key, "not a known name")
		}
		return int64(n)
	}
	return r.number(key, 0, high, def)
}

func (r *mapReader) bytes(key string) []byte {
	v, ok := r.get(key)
	if !ok {
		return nil
	}
	switch v := v.(type) {
	case []byte:
		return v
	case net.HardwareAddr:
		return v
	case string:
		return []byte(v)
	}
	r.wrong(key, "neither bytes nor a string")
	return nil
}

func (r *mapReader) ip(key string, d Domain) netip.Addr {
	short := Any
	switch v, ok := r.get(key); v := v.(type) {
	case nil:
		if ok {
			r.wrong(key, "not an IP address")
		}
	case netip.Addr:
		return v
	case net.IP:
		ip, _ := netip.AddrFromSlice(v)
		return ip
	case string:
		switch v {
		case "any":
		case "loopback":
			short = Loopback
		case "broadcast":
			short = Broadcast
		default:
			ip, err := netip.ParseAddr(v)
			if err != nil {
				r.wrong(key, "not an IP address")
			}
			return ip
		}
	default:
		r.wrong(key, "not an IP address")
	}
	a, err := short.resolve(d)
	if err != nil {
		r.wrong(key, d.String()+" has no such address")
	}
	return a.ip
}
