package esock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The codecs by themselves: of the kinds that need hardware, a security module or SCTP there is no other test
// (docs/limits.md).

// nativeOf is the numbers as the kernel has them, one after the other.
func nativeOf(v ...any) (b []byte) {
	for _, v := range v {
		b, _ = binary.Append(b, binary.NativeEndian, v)
	}
	return b
}

// long is a C long.
func long(n int64) any {
	if strconv.IntSize == 32 {
		return int32(n)
	}
	return n
}

func TestControlMessagesThatFewMachinesReceive(t *testing.T) {
	raw := func(level, typ int, v ...any) ControlMessage {
		return carry(t, ControlMessage{Level: level, Type: typ, Data: nativeOf(v...)})[0]
	}
	zero := int64(0)
	none := long(0)

	stamps, ok := raw(solSocket, scmTimestamping, long(5), long(6), none, none, long(7), long(8)).Timestamping()
	assert.True(t, ok)
	assert.Equal(t, Timestamps{Software: time.Unix(5, 6), Hardware: time.Unix(7, 8)}, stamps)
	stamps, ok = raw(solSocket, scmTimestampingNew, zero, zero, zero, zero, int64(7), int64(8)).Timestamping()
	assert.True(t, ok)
	assert.Equal(t, Timestamps{Hardware: time.Unix(7, 8)}, stamps)
	for _, bad := range []int64{-1, 1e9} {
		_, ok = raw(solSocket, scmTimestamping, none, long(bad), none, none, none, none).Timestamping()
		assert.False(t, ok)
		_, ok = raw(solSocket, scmTimestamping, none, none, none, none, none, long(bad)).Timestamping()
		assert.False(t, ok)
	}

	label, ok := raw(solSocket, scmSecurity, []byte("user_t:s0\x00")).SecurityLabel()
	assert.True(t, ok)
	assert.Equal(t, "user_t:s0", string(label))
	label, ok = raw(solSocket, scmSecurity, []byte("unconfined")).SecurityLabel()
	assert.True(t, ok)
	assert.Equal(t, "unconfined", string(label))

	for n, want := range []bool{false, true} {
		acked, ok := raw(solSocket, scmWifiStatus, int32(n)).WifiStatus()
		assert.True(t, ok)
		assert.Equal(t, want, acked)
	}
	sum, ok := raw(solIP, ipChecksum, uint32(0xfffefdfc)).Checksum()
	assert.True(t, ok)
	assert.Equal(t, uint32(0xfffefdfc), sum)
	b, ok := raw(solIPv6, ipv6RTHdrDstOpts, []byte("12345678")).RTHdrDstOpts()
	assert.True(t, ok)
	assert.Equal(t, "12345678", string(b))

	rcv, ok := raw(solSCTP, sctpRcvInfo, uint16(1), uint16(2), uint16(3), uint16(0), uint32(4), uint32(5), uint32(6), uint32(7),
		int32(-8)).SCTPRcvInfo()
	assert.True(t, ok)
	assert.Equal(t, SCTPRcvInfo{SID: 1, SSN: 2, Flags: 3, PPID: 4, TSN: 5, CumTSN: 6, Context: 7, AssocID: -8}, rcv)
	nxt, ok := raw(solSCTP, sctpNxtInfo, uint16(1), uint16(2), uint32(3), uint32(4), int32(-5)).SCTPNxtInfo()
	assert.True(t, ok)
	assert.Equal(t, SCTPNxtInfo{SID: 1, Flags: 2, PPID: 3, Length: 4, AssocID: -5}, nxt)

	e, ok := raw(solPacket, packetTxTime, uint32(syscall.ENOMSG), uint8(4), uint8(0), uint8(0), uint8(0), uint32(0),
		uint32(9)).ExtendedError()
	assert.True(t, ok)
	_, key, ok := e.Timestamp()
	assert.True(t, ok)
	assert.Equal(t, uint32(9), key)
	_, ok = raw(solVSock, vsockRecvErr, uint32(0), uint8(5), uint8(0), uint8(1), uint8(0), uint32(1), uint32(2)).ExtendedError()
	assert.True(t, ok)
}

// The type of a TLS record is one byte, and goes by name.
func TestControlOfTLSRecordTypes(t *testing.T) {
	c, err := ControlMessageFromMap(map[string]any{"level": "tls", "type": "set_record_type", "value": 255})
	require.NoError(t, err)
	sent := carry(t, c)[0]
	assert.Equal(t, solTLS, sent.Level)
	assert.Equal(t, tlsSetRecordType, sent.Type)
	assert.Equal(t, []byte{255}, sent.Data)
	assert.Equal(t, 255, sent.Map()["value"])
	got := controlMessages(withHeader(solTLS, tlsGetRecordType, []byte{23}))[0].Map()
	assert.Equal(t, map[string]any{"level": "tls", "type": "get_record_type", "data": []byte{23}, "value": 23}, got)
	for _, wrong := range []int{-1, 256} {
		_, err := ControlMessageFromMap(map[string]any{"level": "tls", "type": "set_record_type", "value": wrong})
		assert.ErrorContains(t, err, "takes 0 to 255")
	}
}

// What AF_ALG is to do goes by name, too: the bytes are those of <linux/if_alg.h>.
func TestControlOfALG(t *testing.T) {
	iv := []byte{9, 8, 7}
	for _, c := range []struct {
		typ   string
		value any
		data  []byte
		is    any // the value again, as Map has it
	}{
		{"set_op", "encrypt", nativeOf(uint32(1)), "encrypt"},
		{"set_op", "decrypt", nativeOf(uint32(0)), "decrypt"},
		{"set_op", 1, nativeOf(uint32(1)), "encrypt"},
		{"set_op", 7, nativeOf(uint32(7)), 7},
		{"set_iv", iv, nativeOf(uint32(3), iv), iv},
		{"set_iv", string(iv), nativeOf(uint32(3), iv), iv},
		{"set_iv", []byte{}, nativeOf(uint32(0)), []byte{}},
		{"set_aead_assoclen", math.MaxInt32, nativeOf(uint32(math.MaxInt32)), math.MaxInt32},
	} {
		m := map[string]any{"level": "alg", "type": c.typ, "value": c.value}
		made, err := ControlMessageFromMap(m)
		require.NoError(t, err, "%v", m)
		sent := carry(t, made)[0]
		assert.Equal(t, solALG, sent.Level)
		assert.Equal(t, c.data, sent.Data, "%v", m)
		assert.Equal(t, map[string]any{"level": "alg", "type": c.typ, "data": c.data, "value": c.is}, sent.Map())
	}
	for _, c := range []struct {
		typ   string
		value any
		says  string
	}{
		{"set_op", "nonsense", "value is not an integer"},
		{"set_op", -1, "alg set_op -1 is out of range: it takes 0 to 4294967295"},
		{"set_aead_assoclen", int64(1) << 32, "out of range"},
		{"set_aead_assoclen", "encrypt", "value is not an integer"},
		{"set_iv", 5, "value is not bytes"},
		{"set_iv", true, "value is not bytes"},
		{"set_iv", nil, "value is not bytes"},
	} {
		_, err := ControlMessageFromMap(map[string]any{"level": "alg", "type": c.typ, "value": c.value})
		assert.ErrorContains(t, err, c.says, "%v", c)
	}
	// A vector that is longer than its message is none.
	assert.Nil(t, controlMessages(withHeader(solALG, algSetIV, nativeOf(uint32(4), iv)))[0].Map()["value"])
	assert.Nil(t, controlMessages(withHeader(solALG, algSetIV, iv))[0].Map()["value"])
}

func TestSentControlMessagesSurviveTheKernelsForm(t *testing.T) {
	snd := SCTPSndInfo{SID: 1, Flags: 2, PPID: math.MaxUint32, Context: 4, AssocID: -5}
	sndrcv := SCTPSndRcv{Stream: 1, SSN: 2, Flags: 3, PPID: 4, Context: 5, TimeToLive: 6, TSN: 7, CumTSN: 8, AssocID: -9}
	init := SCTPInit{NumOStreams: 1, MaxInStreams: 2, MaxAttempts: 3, MaxInitTimeout: math.MaxUint16}
	for _, c := range carry(t, snd.Control(), sndrcv.Control(), init.Control(), Mark(math.MaxUint32), Priority(6),
		TxTime(math.MaxInt64), TimestampID(math.MaxUint32), FlowInfo(0xfffffff), UDPSegment(math.MaxUint16)) {
		n, isInt := *cmsgIntValue(c.at()), c.at().kind == cmsgInt
		switch {
		case c.Level == solSCTP && c.Type == sctpSndInfo:
			v, ok := c.SCTPSndInfo()
			assert.True(t, ok)
			assert.Equal(t, snd, v)
		case c.Level == solSCTP && c.Type == sctpSndRcv:
			v, ok := c.SCTPSndRcv()
			assert.True(t, ok)
			assert.Equal(t, sndrcv, v)
		case c.Level == solSCTP && c.Type == sctpInit:
			v, ok := c.SCTPInit()
			assert.True(t, ok)
			assert.Equal(t, init, v)
		case c.Type == scmTxTime && c.Level == solSocket:
			assert.True(t, isInt)
			assert.Equal(t, int64(math.MaxInt64), n)
			assert.Len(t, c.Data, 8)
		case c.Level == solUDP:
			assert.Equal(t, int64(math.MaxUint16), n)
			assert.Len(t, c.Data, 2)
		case c.Level == solIPv6:
			assert.Equal(t, []byte{0x0f, 0xff, 0xff, 0xff}, c.Data, "in the order of the network")
			v, ok := c.FlowInfo()
			assert.True(t, ok)
			assert.Equal(t, uint32(0xfffffff), v)
		case c.Type == scmPriority:
			assert.Equal(t, int64(6), n)
		default:
			assert.Equal(t, int64(math.MaxUint32), n)
		}
		// As a map, and back.
		m := c.Map()
		delete(m, "data")
		again, err := ControlMessageFromMap(m)
		require.NoError(t, err, "%v", m)
		assert.Equal(t, c.Data, carry(t, again)[0].Data, "%v", m)
	}
	var m Msg
	for _, c := range []struct {
		is   ControlMessage
		says string
	}{
		{UDPSegment(math.MaxUint16 + 1), "udp segment 65536 is out of range: it takes 0 to 65535"},
		{UDPSegment(-1), "udp segment -1"},
		{TTL(999), "ip ttl 999 is out of range: it takes 1 to 255"},
		{TTL(0), "ip ttl 0"},
		{TTL(math.MinInt32), "ip ttl -2147483648"},
		{TOS(256), "ip tos 256 is out of range: it takes 0 to 255"},
		{TOS(-1), "ip tos -1"},
		{HopLimit(256), "ipv6 hoplimit 256 is out of range: it takes -1 to 255"},
		{HopLimit(-2), "ipv6 hoplimit -2"},
		{TClass(256), "ipv6 tclass 256"},
		{TClass(-2), "ipv6 tclass -2"},
		{FlowInfo(1 << 28), "ipv6 flowinfo 268435456 is out of range: it takes 0 to 268435455"},
		{RetOpts(make([]byte, 41)), "ip retopts has 41 bytes: it takes at most 40"},
	} {
		err := m.SetControl(c.is)
		assert.ErrorIs(t, err, &InvalidError{What: "msg"})
		assert.ErrorContains(t, err, "ctrl: element 1: "+c.says)
	}
	assert.NoError(t, m.SetControl(TTL(1), TTL(255), TOS(0), TOS(255), HopLimit(-1), HopLimit(255), TClass(-1), TClass(255),
		RetOpts(make([]byte, 40))))
	_, err := ControlMessageFromMap(map[string]any{"level": "sctp", "type": "sndinfo", "value": map[string]any{"sid": 1 << 16}})
	assert.ErrorContains(t, err, "sid: out of range")
	_, err = ControlMessageFromMap(map[string]any{"level": "socket", "type": "mark", "value": -1})
	assert.ErrorContains(t, err, "socket mark -1 is out of range")
	_, err = ControlMessageFromMap(map[string]any{"level": "ip", "type": "ttl", "value": 999})
	assert.ErrorContains(t, err, "ip ttl 999 is out of range")
}

func TestEveryRowHasANameAndAValue(t *testing.T) {
	data := make([]byte, 64)
	binary.NativeEndian.PutUint16(data, uint16(Inet))
	for level, names := range cmsgTypeNames {
		for _, n := range names {
			d := data
			if level == solIPv6 && n.Number == ipv6OrigDstAddr {
				d = make([]byte, 64)
				binary.NativeEndian.PutUint16(d, uint16(Inet6))
			}
			if level == solIP && n.Number == ipRetOpts {
				d = data[:maxIPOptions]
			}
			c := carry(t, ControlMessage{Level: level, Type: n.Number, Data: d})[0]
			m := c.Map()
			assert.Equal(t, n.Text, m["type"])
			assert.IsType(t, "", m["level"], "level %d", level)
			switch c.at().kind {
			case cmsgRaw:
				t.Errorf("%v %v is not decoded", m["level"], n.Text)
			case cmsgRights, cmsgPidFD:
			case cmsgBytes:
				assert.NotNil(t, m["data"])
			default:
				assert.NotNil(t, m["value"], "%v %v", m["level"], n.Text)
			}
			back, err := ControlMessageFromMap(m)
			require.NoError(t, err, "%v %v", m["level"], n.Text)
			assert.Equal(t, m, back.Map())
			assert.Equal(t, c.at().kind, back.at().kind)
			assert.Equal(t, m, carry(t, back)[0].Map(), "sent as it came")
		}
	}
}

func TestNoticesOfTheErrorQueue(t *testing.T) {
	e := ExtendedError{Origin: OriginTxTime, Code: 1, Info: 0x01020304, Data: 0x05060708}
	miss, ok := e.TxTime()
	assert.True(t, ok)
	assert.Equal(t, TxTimeMiss{At: 0x0506070801020304, Invalid: true}, miss)
	e.Code = 2
	miss, _ = e.TxTime()
	assert.False(t, miss.Invalid)
	_, ok = ExtendedError{Origin: OriginICMP, Errno: syscall.ECONNREFUSED}.TxTime()
	assert.False(t, ok)
	assert.Equal(t, "acked", TxAcked.String())
}

func TestErrorsOfOthersAbortNobodyBehind(t *testing.T) {
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	assert.False(t, s.isFatal(&call{op: OpRecvFrom}, syscall.ECONNREFUSED), "an unconnected socket serves others too")
	assert.False(t, s.isFatal(&call{op: OpRecvErr}, syscall.ENOMEM))
	require.NoError(t, s.Connect(Inet4Addr(netip.MustParseAddr("127.0.0.1"), 9), Forever))
	assert.False(t, s.isFatal(&call{op: OpRecvFrom}, syscall.ECONNREFUSED), "one refused datagram is one call's error")
}

// stampFor is a transmit timestamp with a key.
func stampFor(key uint32) QueuedError {
	return QueuedError{ExtendedError: ExtendedError{Errno: syscall.ENOMSG, Origin: OriginTxStatus, Data: key}}
}

func TestTxTimestampsPairAcrossTheWrap(t *testing.T) {
	d := &TxTimestamps{total: 1<<32 - 2, sends: 1<<32 - 2}
	for range 4 {
		d.Send(func() (int, error) { return 0, nil })
	}
	for key, send := range map[uint32]uint64{math.MaxUint32 - 1: 1<<32 - 2, math.MaxUint32: 1<<32 - 1, 0: 1 << 32, 1: 1<<32 + 1} {
		p, ok := d.Pair(stampFor(key))
		assert.True(t, ok)
		assert.Equal(t, send, p.Send)
	}
	_, _, err := d.Send(func() (int, error) { return 0, syscall.ENOBUFS })
	assert.Equal(t, syscall.ENOBUFS, err)
	assert.Equal(t, uint64(1<<32+2), d.total, "what was not sent is not counted")

	s := &TxTimestamps{stream: true, ends: make([]uint64, txRemember)}
	_, ok := s.Pair(stampFor(0))
	assert.False(t, ok, "nothing was sent")
	for range 5 {
		s.Send(func() (int, error) { return 1 << 30, nil })
	}
	for _, c := range []struct {
		at    uint64
		send  uint64
		whole bool
	}{{1<<30 - 1, 0, true}, {1 << 30, 1, false}, {4<<30 - 1, 3, true}, {5<<30 - 1, 4, true}, {4<<30 + 5, 4, false}} {
		if c.at < 1<<30 {
			continue // more than 4 GiB ago: the key names another by now
		}
		p, ok := s.Pair(stampFor(uint32(c.at)))
		assert.True(t, ok, "%d", c.at)
		assert.Equal(t, c.send, p.Send, "%d", c.at)
		assert.Equal(t, c.whole, p.Whole, "%d", c.at)
	}
	s = &TxTimestamps{stream: true, ends: make([]uint64, txRemember)}
	for range txRemember + 2 {
		s.Send(func() (int, error) { return 1, nil })
	}
	_, ok = s.Pair(stampFor(1))
	assert.False(t, ok, "too long ago")
	p, ok := s.Pair(stampFor(txRemember))
	assert.True(t, ok)
	assert.Equal(t, uint64(txRemember), p.Send)
	_, ok = s.Pair(QueuedError{})
	assert.False(t, ok)
}

func TestZeroCopyNoticesInAnyOrder(t *testing.T) {
	notice := func(first, last uint32, copied bool) QueuedError {
		e := QueuedError{ExtendedError: ExtendedError{Origin: OriginZeroCopy, Info: first, Data: last}}
		if copied {
			e.Code = 1
		}
		return e
	}
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	top := uint32(math.MaxUint32)
	z := &ZeroCopy{s: new(Socket), o: &zeroCopyResult{book: &zeroCopyBook{first: top - 1, next: top - 1}}}
	for _, s := range []struct {
		buf   []byte
		sends uint32
	}{{a, 1}, {b, 2}, {c, 1}} {
		(&zeroCopySend{book: z.o.book, buf: s.buf, owner: z.o}).sent(z.s, s.sends, len(s.buf), nil)
	}
	assert.Equal(t, 3, z.Pending())
	assert.Empty(t, z.Done(notice(0, 0, true)), "the second call of b")
	assert.Empty(t, z.Done(notice(0, 0, true)), "which does not count twice")
	assert.Equal(t, []ZeroCopied{{Buf: c}}, z.Done(notice(1, 1, false)))
	assert.Equal(t, []ZeroCopied{{Buf: a}, {Buf: b, Copied: true}}, z.Done(notice(top-1, top, false)))
	assert.Zero(t, z.Pending())
}

// threeControls is control data as a datagram brings it: ttl, tos, pktinfo.
func threeControls(tb testing.TB) []byte {
	var m Msg
	require.NoError(tb, m.SetControl(TTL(64), ControlMessage{Level: solIP, Type: ipTOS, Data: []byte{0x10}},
		PktInfo4{IfIndex: 3, Addr: ip4}.Control()))
	return m.send
}

type threeValues struct {
	ttl, tos, ifindex int
	to                netip.Addr
}

func (m *Msg) threeValues() (v threeValues) {
	for c := range m.Control() {
		if n, ok := c.TTL(); ok {
			v.ttl = n
		} else if n, ok := c.TOS(); ok {
			v.tos = n
		} else if p, ok := c.PktInfo4(); ok {
			v.ifindex, v.to = p.IfIndex, p.Addr
		}
	}
	return v
}

func threeValuesBySys(oob []byte) (v threeValues) {
	cms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		panic(err)
	}
	for _, cm := range cms {
		if cm.Header.Level != unix.SOL_IP {
			continue
		}
		switch cm.Header.Type {
		case unix.IP_TTL:
			v.ttl = int(binary.NativeEndian.Uint32(cm.Data))
		case unix.IP_TOS:
			v.tos = int(cm.Data[0])
		case unix.IP_PKTINFO:
			v.ifindex = int(binary.NativeEndian.Uint32(cm.Data))
			v.to = netip.AddrFrom4([4]byte(cm.Data[8:12]))
		}
	}
	return v
}

func TestControlDecodesWithoutAllocation(t *testing.T) {
	var m Msg
	ctrl := threeControls(t)
	decode := func() threeValues {
		m.DecodeControl(ctrl)
		return m.threeValues()
	}
	assert.Equal(t, threeValuesBySys(ctrl), decode())
	assert.Zero(t, allocsPerRun(100, func() { decode() }))
}

func TestDecodeControlReplacesWhatWasReceived(t *testing.T) {
	var m Msg
	m.DecodeControl(threeControls(t))
	assert.Len(t, slices.Collect(m.Control()), 3)
	assert.Empty(t, m.Data())
	m.DecodeControl(nil)
	assert.Empty(t, slices.Collect(m.Control()))
	assert.False(t, m.ControlDamaged())
	m.DecodeControl([]byte{1, 2, 3})
	assert.Empty(t, slices.Collect(m.Control()))
	assert.True(t, m.ControlDamaged())

	// What Msg has no records for is not lost.
	var many []byte
	for range 5 {
		many = append(many, threeControls(t)...)
	}
	m.DecodeControl(many)
	assert.Len(t, slices.Collect(m.Control()), 15)
}

// A Msg and package net exchange control messages as bytes, in both directions.
func TestRawControlIsThatOfPackageNet(t *testing.T) {
	s, at := boundUDP(t)
	require.NoError(t, s.SetOptionNative(syscall.IPPROTO_IP, syscall.IP_RECVTTL, true))
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		require.NoError(t, syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVTTL, 1))
	}))
	var want Msg
	require.NoError(t, want.SetControl(TTL(33)))
	_, _, err = conn.WriteMsgUDPAddrPort([]byte("there"), want.send, at.AddrPort())
	require.NoError(t, err)
	var m Msg
	require.NoError(t, s.RecvMsg(&m, 0, Within(patience)))
	assert.Equal(t, want.send[:unix.CmsgLen(4)], m.RawControl()[:unix.CmsgLen(4)], "the rest is padding")
	require.NoError(t, m.SetRawControl(m.RawControl())) // what came goes back
	_, err = s.SendMsg(&m, 0, Forever)
	require.NoError(t, err)
	oob := make([]byte, 100)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, n, _, _, err := conn.ReadMsgUDPAddrPort(make([]byte, 10), oob)
	require.NoError(t, err)
	assert.Equal(t, m.RawControl(), oob[:n])
}

func TestRawControlOfEachStateOfAMsg(t *testing.T) {
	var m Msg
	assert.Nil(t, (*Msg)(nil).RawControl())
	assert.Empty(t, m.RawControl())
	ctrl := threeControls(t)
	m.DecodeControl(ctrl)
	assert.Equal(t, ctrl, m.RawControl())
	assert.Equal(t, len(ctrl), cap(m.RawControl()), "an append does not write into the Msg")
	m.DecodeControl(ctrl[:len(ctrl)-1])
	assert.Equal(t, ctrl[:len(ctrl)-1], m.RawControl())
	m.DecodeControl([]byte{1, 2, 3})
	assert.Equal(t, []byte{1, 2, 3}, m.RawControl())
	assert.True(t, m.ControlDamaged())
	a, b := corePair(t, syscall.SOCK_DGRAM)
	sendMsg(t, a, &Msg{Iov: [][]byte{[]byte("none")}})
	recvMsg(t, b, &m, 0, 1024)
	assert.Empty(t, m.RawControl(), "the message before had some")
	m.DecodeControl(ctrl)
	m.recvBuffers(16, 1024)
	assert.Empty(t, m.RawControl(), "a receive that fails")
	m.DecodeControl(ctrl)
	m.Reset()
	assert.Empty(t, m.RawControl())
}

func TestRawControlThatIsNoneIsRefused(t *testing.T) {
	ctrl := threeControls(t)
	long := slices.Clone(ctrl)
	long[0] = 255 // the length of the first
	for name, bad := range map[string][]byte{
		"a header of no length": make([]byte, 16), "too long": long, "a second of no length": append(slices.Clone(ctrl), make([]byte, 16)...),
	} {
		t.Run(name, func(t *testing.T) {
			var m Msg
			require.NoError(t, m.SetRawControl(ctrl))
			assert.Equal(t, ctrl, m.send)
			assert.ErrorIs(t, m.SetRawControl(bad), &InvalidError{What: "msg"})
			assert.Empty(t, m.send)
		})
	}
	assert.ErrorIs(t, (*Msg)(nil).SetRawControl(ctrl), &InvalidError{What: "msg"})
	var m Msg
	require.NoError(t, m.SetRawControl(ctrl[:len(ctrl)-unix.CmsgSpace(4)+unix.CmsgLen(4)]), "the padding of the last may be missing")
	require.NoError(t, m.SetControl(TTL(7)))
	for _, rest := range [][]byte{{1, 2, 3}, bytes.Repeat([]byte{0xff}, unix.CmsgLen(0)-1)} { // what the kernel takes
		for _, ctrl := range [][]byte{nil, slices.Clone(m.send)} {
			raw := append(slices.Clone(ctrl), rest...)
			sent := Msg{Iov: [][]byte{{1}}, Addr: Inet4Addr(netip.MustParseAddr("127.0.0.1"), 9)}
			require.NoError(t, sent.SetRawControl(raw))
			assert.Equal(t, raw, sent.send)
			_, err := open(t, Inet, Dgram).SendMsg(&sent, 0, Forever)
			if strconv.IntSize == 64 { // a 64-bit kernel converts the headers of a 32-bit process, and refuses a rest
				assert.NoError(t, err)
			}
		}
	}
	given := slices.Clone(ctrl)
	require.NoError(t, m.SetRawControl(given))
	clear(given)
	assert.Equal(t, ctrl, m.send, "it is a copy")
	_, _, err := m.sendParts(len(ctrl) - 1)
	assert.ErrorContains(t, err, "sndctrlbuf")
	require.NoError(t, m.SetRawControl(nil))
	assert.Empty(t, m.send)
	require.NoError(t, m.SetControl(TTL(1)))
	assert.NotEqual(t, ctrl, m.send)
}

// The descriptors in the bytes are the Msg's, and those of a message that was cut have no number.
func TestDescriptorsInRawControl(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	var out, in Msg
	require.NoError(t, out.SetRawControl(syscall.UnixRights(int(r.Fd()), int(w.Fd()))))
	before := len(descriptors())
	sendMsg(t, a, &out)
	recvMsg(t, b, &in, 0, 1024)
	assert.Equal(t, before+2, len(descriptors()))
	cms, err := syscall.ParseSocketControlMessage(in.RawControl())
	require.NoError(t, err)
	fds, err := syscall.ParseUnixRights(&cms[0])
	require.NoError(t, err)
	assert.Equal(t, in.TakeFDs(), fds)
	closeAll(fds)
	sendMsg(t, a, &out)
	recvMsg(t, b, &in, 0, unix.CmsgLen(4))
	assert.NotZero(t, in.Flags&MsgCTrunc)
	assert.Equal(t, before, len(descriptors()))
	assert.Equal(t, syscall.UnixRights(-1)[:unix.CmsgLen(4)], in.RawControl()[:unix.CmsgLen(4)])
}

func TestRawControlAllocatesNothing(t *testing.T) {
	a, _ := boundUDP(t)
	b, at := boundUDP(t)
	require.NoError(t, b.SetOptionNative(syscall.IPPROTO_IP, syscall.IP_RECVTTL, true))
	out, in := &Msg{Addr: at, Iov: [][]byte{[]byte("x")}}, new(Msg)
	var ttl Msg
	require.NoError(t, ttl.SetControl(TTL(33)))
	noAllocations(t, func() error {
		err := out.SetRawControl(ttl.send)
		_, err2 := a.SendMsg(out, 0, Forever)
		err3 := b.RecvMsg(in, 0, Forever)
		if !bytes.Equal(in.RawControl()[:unix.CmsgLen(4)], ttl.send[:unix.CmsgLen(4)]) {
			return errors.New("the control message is not there")
		}
		return errors.Join(err, err2, err3)
	})
}

// A Msg's own control bytes are decoded already: the descriptors in them stay open, and its.
func TestDecodeControlOfItsOwnBytes(t *testing.T) {
	a, b := pair(t, Stream)
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer file.Close()
	rights, err := RightsOf(file)
	require.NoError(t, err)
	m := Msg{Iov: [][]byte{[]byte("x")}}
	require.NoError(t, m.SetControl(rights))
	_, err = a.SendMsg(&m, 0, Forever)
	require.NoError(t, err)
	var got Msg
	got.Iov = [][]byte{make([]byte, 1)}
	require.NoError(t, b.RecvMsg(&got, 0, Forever))
	got.DecodeControl(got.RawControl())
	fds := got.TakeFDs()
	require.Len(t, fds, 1)
	assert.NoError(t, syscall.Close(fds[0]))
}

// withHeader is a control message as the kernel has it: cmsg(3).
func withHeader(level, typ int, data []byte) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(16+len(data)))
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(typ))
	return append(b, data...)
}
