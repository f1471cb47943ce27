package esock

import (
	"math"
	"net"
	"net/netip"

	"github.com/esock-go/esock/internal/plain"
)

// Packet types and context ids, as OTP names them; packet(7), vsock(7). The kernel's number 6 has two names.
var (
	pktTypeNames = plain.Names{
		{0, "host"}, {1, "broadcast"}, {2, "multicast"}, {3, "otherhost"}, {4, "outgoing"}, {5, "loopback"},
		{6, "user"}, {7, "kernel"}, {6, "fastroute"},
	}
	// As int32, in which VSockAny, the largest, is -1: an int may have 32 bits.
	cidNames = plain.Names{
		{-1, "any"}, {int(VSockHypervisor), "hypervisor"}, {int(VSockLocal), "local"}, {int(VSockHost), "host"},
	}
)

// Map returns the address as plain data with OTP's keys, for AddrFromMap:
//
//	inet    family, addr, port
//	inet6   family, addr, port, flowinfo, scope_id (text if the zone is an interface name)
//	local   family, path (an abstract name has its leading NUL)
//	packet  family, protocol, ifindex, pkttype, hatype, addr (bytes)
//	vsock   family, cid, port
//	netlink family, port, groups
//	others  family, addr (the bytes that follow the family); the zero Addr and RawAddr(Unspec, nil): unspec, no bytes
//	RawAddr of a family above: family, raw (those bytes)
//	a shorthand: addr
func (a Addr) Map() map[string]any {
	switch a.form {
	case formShort, formBad:
		return map[string]any{"addr": a.String()}
	case formRaw:
		if a.Family().takenApart() {
			return map[string]any{"family": a.Family().String(), "raw": []byte(a.data)}
		}
		fallthrough
	case formNone:
		return map[string]any{"family": plain.Domains.Value(int(a.family)), "addr": []byte(a.data)}
	}
	m := map[string]any{"family": a.Family().String()}
	switch a.Family() {
	case Inet, Inet6:
		m["addr"] = a.ip.String()
		m["port"] = int(a.port) // of 16 bits
		if a.Family() == Inet6 {
			m["flowinfo"], m["scope_id"] = plain.Int(int64(a.a)), plain.Int(int64(a.b))
			if a.data != "" {
				m["scope_id"] = a.data
			}
		}
	case Local:
		m["path"] = a.data
	case Packet:
		l, _ := a.LinkLayer()
		m["protocol"], m["ifindex"] = int(l.Protocol), l.IfIndex
		m["pkttype"] = pktTypeNames.Value(int(l.PktType))
		m["hatype"] = plain.HardwareTypes.Value(int(l.HaType))
		m["addr"] = []byte(a.data)
	case VSock:
		m["cid"] = cidValue(a.a)
		m["port"] = plain.Int(int64(a.port))
	case Netlink:
		m["port"], m["groups"] = plain.Int(int64(a.port)), plain.Int(int64(a.a))
	}
	return m
}

func cidValue(cid uint32) any {
	if name, ok := cidNames.Text(int(int32(cid))); ok {
		return name
	}
	return plain.Int(int64(cid))
}

// AddrFromMap makes an address of what Map returns, or of OTP's native form: the number of a family, and addr with bytes.
// Missing keys get OTP's defaults: any address or cid, an empty path, 0. family is needed, except in the map of a shorthand
// (Any, Loopback, Broadcast), which has addr alone. addr of inet and inet6 is text, a netip.Addr, or any, loopback or (inet)
// broadcast. The zone of inet6 is in addr, or in scope_id as an index or name.
// Errors: *InvalidError "sockaddr" that names the key.
func AddrFromMap(m map[string]any) (Addr, error) {
	bad := func(cause string) (Addr, error) {
		return Addr{}, &InvalidError{What: "sockaddr", Value: m, Cause: cause}
	}
	f, ok := m["family"]
	if !ok {
		if text, is := m["addr"].(string); is && len(m) == 1 {
			if n, is := shortNames.Number(text); is {
				return Addr{form: formShort, a: uint32(n)}, nil
			}
		}
		return bad("the key family is missing")
	}
	d, cause := domainFromAny(f)
	if cause != "" {
		return bad("family: " + cause)
	}
	r := plain.Read(m)
	r.Get("family")
	var a Addr
	switch {
	case r.Has("raw"):
		a = RawAddr(d, r.Bytes("raw"))
	case isNative(m):
		a = RawAddr(d, r.Bytes("addr"))
	default:
		a = addressOf(r, d)
	}
	if cause := r.Finish(); cause != "" {
		return bad(cause)
	}
	if a.form == formBad {
		return bad(a.data)
	}
	return a, nil
}

// isNative reports whether a map is OTP's sockaddr_native: the number of a family, and nothing but bytes.
func isNative(m map[string]any) bool {
	_, number := plain.Integer(m["family"])
	_, data := m["addr"].([]byte)
	return number && data && len(m) == 2
}

// takenApart reports whether addresses of the family have parts here, beyond bytes.
func (d Domain) takenApart() bool {
	switch d {
	case Inet, Inet6, Local, Packet, VSock, Netlink:
		return true
	}
	return false
}

func addressOf(r *plain.Map, d Domain) Addr {
	switch d {
	case Inet:
		return Inet4Addr(ipOf(r, "addr", Inet), uint16(r.Number("port", 0, math.MaxUint16, 0)))
	case Inet6:
		ip := ipOf(r, "addr", Inet6)
		a := Inet6Addr(ip.WithZone(""), uint16(r.Number("port", 0, math.MaxUint16, 0)), 0)
		if zone := zoneOf(r, "scope_id", ip.Zone()); a.form == formKnown {
			a = a.WithZone(zone)
		}
		if flow := uint32(r.Number("flowinfo", 0, flowInfoMax, 0)); a.form == formKnown {
			a.a = flow
		}
		return a
	case Local:
		return UnixAddr(string(r.Bytes("path")))
	case Packet:
		return PacketAddr(LinkLayer{
			Protocol: uint16(r.Number("protocol", 0, math.MaxUint16, 0)),
			IfIndex:  int(r.Number("ifindex", 0, math.MaxInt32, 0)),
			PktType:  uint8(r.Named("pkttype", pktTypeNames, math.MaxUint8, 0)),
			HaType:   uint16(r.Named("hatype", plain.HardwareTypes, math.MaxUint16, 0)),
			Hardware: net.HardwareAddr(r.Bytes("addr")),
		})
	case VSock:
		return VSockAddr(uint32(r.Named("cid", cidNames, math.MaxUint32, int64(VSockAny))),
			uint32(r.Number("port", 0, math.MaxUint32, 0)))
	case Netlink:
		return NetlinkAddr(uint32(r.Number("port", 0, math.MaxUint32, 0)), uint32(r.Number("groups", 0, math.MaxUint32, 0)))
	}
	return RawAddr(d, r.Bytes("addr"))
}

// zoneOf reads a zone, an index or a name, which may be in the address instead.
func zoneOf(r *plain.Map, key, inAddr string) string {
	v, ok := r.Get(key)
	name, isText := v.(string)
	switch {
	case ok && inAddr != "":
		r.Wrong(key, "there is a zone in addr, too")
	case isText && name == "":
		r.Wrong(key, "neither an index nor the name of an interface")
	case ok && !isText:
		return utoa(uint32(r.Number(key, 0, math.MaxUint32, 0)))
	}
	if isText {
		return name
	}
	return inAddr
}

func ipOf(r *plain.Map, key string, d Domain) netip.Addr {
	short := Any
	switch v, ok := r.Get(key); v := v.(type) {
	case nil:
		if ok {
			r.Wrong(key, "not an IP address")
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
				r.Wrong(key, "not an IP address")
			}
			return ip
		}
	default:
		r.Wrong(key, "not an IP address")
	}
	a, err := short.resolve(d)
	if err != nil {
		r.Wrong(key, d.String()+" has no such address")
	}
	return a.ip
}
