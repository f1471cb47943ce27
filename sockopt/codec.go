package sockopt

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/ctext"
	"github.com/esock-go/esock/internal/plain"
)

// SockFilter is one instruction of a classic BPF program: struct sock_filter, Documentation/networking/filter.rst.
type SockFilter struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// PMTUDiscover says how a socket discovers the path MTU: IP_MTU_DISCOVER, ip(7).
type PMTUDiscover int

// The ways of path MTU discovery.
const (
	PMTUDont      PMTUDiscover = iota // fragments
	PMTUWant                          // as the route says
	PMTUDo                            // never fragments
	PMTUProbe                         // never fragments, and ignores the path MTU
	PMTUInterface                     // the interface's MTU; ignores the path's
	PMTUOmit                          // as PMTUInterface, but fragments what is longer
)

var pmtuNames = plain.Names{{0, "dont"}, {1, "want"}, {2, "do"}, {3, "probe"}}

// String returns OTP's name or the number.
func (p PMTUDiscover) String() string { return pmtuNames.Spell(int(p)) }

// FilterMode says what the list of a source filter means: RFC 3678.
type FilterMode uint32

// The modes of source filters.
const (
	Exclude FilterMode = iota // all but those listed
	Include                   // only those listed
)

var filterModeNames = plain.Names{{0, "exclude"}, {1, "include"}}

// String returns OTP's name or the number.
func (m FilterMode) String() string { return filterModeNames.Spell(int(m)) }

// Linger says what close does with unsent data: SO_LINGER, socket(7).
type Linger struct {
	On   bool
	Time time.Duration // how long close waits, in whole seconds (rounded up); On with 0 aborts: data is thrown away
}

// The form of a value in the core: enum esock_codec. The hash of the table covers the numbers.
const (
	codecBool = iota + 1
	codecInt
	codecUint
	codecString
	codecU64
	codecBE32
	codecTimeval
	codecBytes
	codecStruct
	codecFilter
	codecU16
)

// The codecs. The generated variables share them.
var (
	boolCodec = codec[bool]{
		encode: func(v bool) (int64, []byte, string) {
			if v {
				return 1, nil, ""
			}
			return 0, nil, ""
		},
		decode: func(i int64, _ []byte) bool { return i != 0 },
	}
	intCodec  = numberCodec[int](math.MinInt32, math.MaxInt32)
	bitsCodec = codec[uint32]{
		encode: func(v uint32) (int64, []byte, string) { return int64(v), nil, "" },
		decode: func(i int64, _ []byte) uint32 { return uint32(i) },
	}
	uintCodec     = numberCodec[uint](0, math.MaxUint32)
	uint16Codec   = numberCodec[uint](0, math.MaxUint16)
	domainCodec   = numberCodec[esock.Domain](math.MinInt32, math.MaxInt32)
	typeCodec     = numberCodec[esock.Type](math.MinInt32, math.MaxInt32)
	protocolCodec = numberCodec[esock.Protocol](math.MinInt32, math.MaxInt32)
	errnoCodec    = numberCodec[syscall.Errno](0, math.MaxInt32)

	intSeconds       = durationCodec(time.Second, math.MaxInt32)
	uintMilliseconds = durationCodec(time.Millisecond, math.MaxUint32)
	uintMicroseconds = durationCodec(time.Microsecond, math.MaxUint32)
	microseconds     = durationCodec(time.Microsecond, math.MaxInt64)
	pmtuCodec        = numberCodec[PMTUDiscover](math.MinInt32, math.MaxInt32)
	uint64Codec      = codec[uint64]{
		encode: func(v uint64) (int64, []byte, string) { return int64(v), nil, "" },
		decode: func(i int64, _ []byte) uint64 { return uint64(i) },
	}
	bytesCodec = codec[[]byte]{
		encode: func(v []byte) (int64, []byte, string) { return 0, v, "" },
		decode: func(_ int64, data []byte) []byte { return bytes.Clone(data) },
	}
	filterCodec = codec[[]SockFilter]{
		encode: func(v []SockFilter) (int64, []byte, string) {
			var b []byte
			for i := range v {
				b = append(b, bytesOf(&v[i])...)
			}
			return 0, b, ""
		},
		decode: func(_ int64, data []byte) []SockFilter {
			f := make([]SockFilter, len(data)/8)
			for i := range f {
				f[i] = valueOf[SockFilter](data[8*i:])
			}
			return f
		},
	}
	controlCodec = codec[[]esock.ControlMessage]{
		encode: func([]esock.ControlMessage) (int64, []byte, string) { return 0, nil, "can only be read" },
		decode: func(_ int64, data []byte) []esock.ControlMessage {
			return corecall.Controls(bytes.Clone(data)).([]esock.ControlMessage)
		},
	}
	inAddrCodec = codec[netip.Addr]{
		encode: func(v netip.Addr) (int64, []byte, string) {
			a, cause := ipv4(v)
			return 0, a[:], cause
		},
		decode: func(_ int64, data []byte) netip.Addr { return netip.AddrFrom4(valueOf[[4]byte](data)) },
	}
	pktInfo6Codec = codec[esock.PktInfo6]{
		encode: func(v esock.PktInfo6) (int64, []byte, string) {
			b := make([]byte, 20)
			if v.Addr.Zone() != "" {
				return 0, nil, "the address has a zone, which is for IfIndex"
			}
			if v.Addr.IsValid() {
				a := v.Addr.As16()
				copy(b, a[:])
			}
			binary.NativeEndian.PutUint32(b[16:], uint32(v.IfIndex))
			return 0, b, ""
		},
		decode: func(_ int64, data []byte) esock.PktInfo6 {
			return esock.PktInfo6{Addr: netip.AddrFrom16(valueOf[[16]byte](data)), IfIndex: int(binary.NativeEndian.Uint32(data[16:]))}
		},
	}
	gidsCodec = codec[[]int]{
		encode: func([]int) (int64, []byte, string) { return 0, nil, "can only be read" },
		decode: func(_ int64, data []byte) []int {
			ids := make([]int, 0, len(data)/4)
			for ; len(data) >= 4; data = data[4:] {
				ids = append(ids, int(binary.NativeEndian.Uint32(data)))
			}
			return ids
		},
	}
	groupsCodec = codec[[]int]{
		encode: gidsCodec.encode,
		decode: func(_ int64, data []byte) []int {
			groups := []int{}
			for n := 0; len(data) >= 4; data, n = data[4:], n+32 {
				for w := binary.NativeEndian.Uint32(data); w != 0; w &= w - 1 {
					groups = append(groups, n+bits.TrailingZeros32(w)+1)
				}
			}
			return groups
		},
	}

	stringCodec = codec[string]{
		encode: func(v string) (int64, []byte, string) { return 0, []byte(v), ctext.Cause(v) },
		decode: func(_ int64, data []byte) string { return string(data) },
	}
	lingerCodec = codec[Linger]{
		encode: func(v Linger) (int64, []byte, string) {
			n, cause := wholeUnits(v.Time, time.Second, math.MaxInt32)
			l := cLinger{onoff: int32(boolInt(v.On)), seconds: int32(n)}
			return 0, bytesOf(&l), cause
		},
		decode: func(_ int64, data []byte) Linger {
			l := valueOf[cLinger](data)
			return Linger{On: l.onoff != 0, Time: time.Duration(l.seconds) * time.Second}
		},
	}
	ucredCodec = codec[esock.Credentials]{
		encode: func(v esock.Credentials) (int64, []byte, string) {
			if !plain.FitsCInt(int64(v.PID)) {
				return 0, nil, "the pid does not fit a C int"
			}
			u := ucred{pid: int32(v.PID), uid: v.UID, gid: v.GID}
			return 0, bytesOf(&u), ""
		},
		decode: func(_ int64, data []byte) esock.Credentials {
			u := valueOf[ucred](data)
			return esock.Credentials{PID: int(u.pid), UID: u.uid, GID: u.gid}
		},
	}
)

// cLinger has the layout of esock_linger, ucred that of esock_ucred.
type (
	cLinger struct{ onoff, seconds int32 }
	ucred   struct {
		pid      int32
		uid, gid uint32
	}
)

// ipv4 returns an IPv4 address, also one mapped into IPv6. The zero address gives 0.0.0.0.
func ipv4(ip netip.Addr) (a [4]byte, cause string) {
	switch ip = ip.Unmap(); {
	case ip.Is4():
		return ip.As4(), ""
	case ip.IsValid():
		return a, "not an IPv4 address"
	}
	return a, ""
}

func numberCodec[T ~int | ~uint | ~uintptr](low, high int64) codec[T] {
	return codec[T]{
		encode: func(v T) (int64, []byte, string) {
			// A uint above the greatest int64 turns negative here.
			n := int64(v)
			if n < low || n > high {
				return 0, nil, "out of range"
			}
			return n, nil, ""
		},
		decode: func(i int64, _ []byte) T { return T(i) },
	}
}

func durationCodec(unit time.Duration, high int64) codec[time.Duration] {
	return codec[time.Duration]{
		encode: func(v time.Duration) (int64, []byte, string) {
			n, cause := wholeUnits(v, unit, high)
			return n, nil, cause
		},
		decode: func(i int64, _ []byte) time.Duration {
			most := int64(math.MaxInt64 / unit) // some read back more than fits
			return time.Duration(max(min(i, most), -most)) * unit
		},
	}
}

// wholeUnits returns d in units, rounded up, so that a time never becomes 0, which often means something else.
func wholeUnits(d, unit time.Duration, high int64) (n int64, cause string) {
	n = int64(d / unit)
	if d%unit > 0 {
		n++
	}
	if d < 0 || n > high {
		return 0, "out of range"
	}
	return n, ""
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// valueOf returns the T that has these bytes. Missing bytes are 0.
func valueOf[T any](data []byte) (v T) {
	copy(bytesOf(&v), data)
	return v
}

// The structures of SCTP are types of package esock, because control messages carry them too.
var (
	sctpInitCodec    = structCodec[esock.SCTPInit]("sctp_initmsg")
	sctpSndRcvCodec  = structCodec[esock.SCTPSndRcv]("sctp_sndrcvinfo")
	sctpSndInfoCodec = structCodec[esock.SCTPSndInfo]("sctp_sndinfo")
)
