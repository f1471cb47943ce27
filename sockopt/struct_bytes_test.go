package sockopt

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// kernelBytes requires that a value has these bytes, and that they are this value.
func kernelBytes[T any](t *testing.T, o Option[T], v T, want string) {
	t.Helper()
	_, data, cause := o.codec.encode(v)
	require.Empty(t, cause)
	assert.Equal(t, []byte(want), data, "%s", o.Info().Name)
	assert.Equal(t, v, o.codec.decode(0, []byte(want)), "%s", o.Info().Name)
}

// native is text of numbers in the order of the machine.
func native(numbers ...any) string {
	var b []byte
	for _, n := range numbers {
		switch n := n.(type) {
		case uint16:
			b = binary.NativeEndian.AppendUint16(b, n)
		case uint32:
			b = binary.NativeEndian.AppendUint32(b, n)
		case string:
			b = append(b, n...)
		}
	}
	return string(b)
}

const zeros128 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// storage is an address in the room of a sockaddr_storage.
func storage(b string) string { return b + strings.Repeat("\x00", 128-len(b)) }

// Each kind of field has its bytes where, and in the order in which, the kernel has them.
func TestFieldsHaveTheKernelsBytes(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::102:304")
	sixBytes := string(six.AsSlice())
	at := esock.Inet6Addr(six, 0x1122, 7).WithFlowInfo(0x54321)
	kernelBytes(t, SCTPPrimaryAddr, SCTPPrim{AssocID: -2, Addr: at}, native(uint32(0xFFFFFFFE),
		storage(native(uint16(10), "\x11\x22\x00\x05\x43\x21"+sixBytes, uint32(7)))))
	udp := SCTPUDPEncaps{AssocID: 3, Port: 0x0102}
	_, data, cause := SCTPRemoteUDPEncapsPort.codec.encode(udp)
	assert.Empty(t, cause)
	assert.Equal(t, udp, SCTPRemoteUDPEncapsPort.codec.decode(0, data))
	for _, f := range shapes()["sctp_udpencaps"].fields { // its padding depends on the machine
		if f.name == "port" {
			assert.Equal(t, "\x01\x02", string(data[f.offset:f.offset+2]))
		}
	}
	kernelBytes(t, SCTPEvent, SCTPEventValue{AssocID: 3, Type: 0x8001, On: true}, native(uint32(3), uint16(0x8001), "\x01\x00"))
	kernelBytes(t, SCTPResetStreams, SCTPResetStreamsValue{AssocID: 3, Flags: 2, Streams: []uint16{5, 0x0607}},
		native(uint32(3), uint16(2), uint16(2), uint16(5), uint16(0x0607)))
	kernelBytes(t, SCTPHMACIdent, SCTPHMACAlgo{Idents: []uint16{3, 1}}, native(uint32(2), uint16(3), uint16(1)))
	kernelBytes(t, SCTPAuthKey, SCTPAuthKeyValue{AssocID: 1, KeyNumber: 9, Key: []byte("key")},
		native(uint32(1), uint16(9), uint16(3), "key"))
	kernelBytes(t, CANRawFilter, CANFilters{Filters: []CANFilter{{ID: 1, Mask: 2}, {ID: 1 << 31, Mask: 7}}},
		native(uint32(1), uint32(2), uint32(1<<31), uint32(7)))
	kernelBytes(t, IPv6AddMembership, IPv6Mreq{MultiAddr: six, Interface: 6}, native(sixBytes, uint32(6)))
	_, none, cause := IPv6AddMembership.codec.encode(IPv6Mreq{Interface: 6})
	assert.Empty(t, cause)
	assert.Equal(t, native(zeros128, uint32(6)), string(none), "no address is any")
	md5 := TCPMD5SigValue{Addr: esock.Inet4Addr(netip.MustParseAddr("127.0.0.1"), 80), Flags: 1, PrefixLen: 24, KeyLen: 3, IfIndex: 4}
	copy(md5.Key[:], "key")
	kernelBytes(t, TCPMD5Sig, md5, storage(native(uint16(2), "\x00\x50\x7f\x00\x00\x01"))+
		native("\x01\x18", uint16(3), uint32(4), "key"+strings.Repeat("\x00", 77)))
	mtu := IPv6PathMTU.codec.decode(0, []byte(native(uint16(10), "\x11\x22\x00\x05\x43\x21"+sixBytes, uint32(7), uint32(1280))))
	assert.Equal(t, MTUInfo{Addr: at, MTU: 1280}, mtu)
}

// A list has as many elements as its count says, and no more than there are bytes.
func TestAListIsAsLongAsItsCountAndItsBytes(t *testing.T) {
	for _, c := range []struct {
		count uint32
		bytes string
		want  int
	}{{1, native(uint16(1), uint16(2), uint16(3)), 1}, {1 << 31, native(uint16(1), uint16(2)), 2}, {1<<32 - 1, "\x01", 0}, {0, "abcd", 0}} {
		data := []byte(native(c.count, c.bytes))
		assert.Len(t, SCTPHMACIdent.codec.decode(0, data).Idents, c.want)
		assert.Len(t, plainOption(findOption("sctp", "hmac_ident"), 0, data).(map[string]any)["idents"], c.want)
		for n := range data {
			assert.LessOrEqual(t, len(SCTPHMACIdent.codec.decode(0, data[:n]).Idents), max(0, n-4)/2, "%d bytes", n)
		}
	}
}

// What TCP_INFO has in bit fields.
func TestBitsOfTCPInfo(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bits are those of little-endian machines")
	}
	v := TCPInfoValue{WScale: 0x7A, AppLimited: 0b100}
	assert.Equal(t, 0xA, v.SndWScale())
	assert.Equal(t, 7, v.RcvWScale())
	assert.False(t, v.DeliveryRateAppLimited())
	assert.Equal(t, 2, v.FastOpenClientFail())
	assert.True(t, TCPInfoValue{AppLimited: 1}.DeliveryRateAppLimited())
}

// By name, each kind of field says what it does not take.
func TestFieldsByNameRefuse(t *testing.T) {
	for _, c := range []struct {
		level, name string
		value       map[string]any
		says        string
	}{
		{"sctp", "hmac_ident", map[string]any{"idents": 3}, "idents: not a list"},
		{"sctp", "hmac_ident", map[string]any{"idents": []any{-1}}, "idents: out of range"},
		{"sctp", "hmac_ident", map[string]any{"idents": []any{1 << 16}}, "idents: out of range"},
		{"sctp", "add_streams", map[string]any{"assoc_id": 1, "instrms": -1, "outstrms": 1}, "instrms: out of range"},
		{"sctp", "add_streams", map[string]any{"assoc_id": int64(1) << 31, "instrms": 1, "outstrms": 1}, "assoc_id: out of range"},
		{"ipv6", "add_membership", map[string]any{"multiaddr": "ff02::1%lo", "interface": 1}, "multiaddr: not an address"},
		{"packet", "add_membership", map[string]any{"ifindex": 1, "type": 0, "alen": 6, "address": strings.Repeat("x", 33)},
			"address: not up to 32 bytes"},
		{"ip", "msfilter", map[string]any{"multiaddr": "224.0.0.9", "interface": "any", "mode": "sideways", "slist": []any{}},
			"mode: not a known name"},
		{"can_raw", "filter", map[string]any{"filters": []any{map[string]any{}}}, "id, mask"},
		{"can_raw", "filter", map[string]any{"filters": []any{map[string]any{"id": 1, "mask": -1}}}, "mask: out of range"},
		{"can_raw", "filter", map[string]any{"filters": []any{map[string]any{"id": 1, "mask": 1, "x": 1}}}, "x"},
	} {
		_, _, cause := optionFromPlain(findOption(c.level, c.name), c.value)
		assert.Contains(t, cause, c.says, "%s.%s %v", c.level, c.name, c.value)
	}
	_, data, cause := optionFromPlain(findOption("sctp", "add_streams"), map[string]any{"assoc_id": -1, "instrms": 1, "outstrms": 1})
	assert.Empty(t, cause)
	assert.Equal(t, native(uint32(1<<32-1), uint16(1), uint16(1)), string(data))
}
