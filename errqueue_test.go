package esock

import (
	"encoding/binary"
	"math"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/plain"
	"golang.org/x/sys/unix"
)

// extended is a recverr control message as the kernel writes it; offender is the sockaddr behind it.
func extended(level int, errno syscall.Errno, origin ErrorOrigin, typ, code uint8, info, data uint32, offender []byte) ControlMessage {
	c := ControlMessage{Level: level, Type: ipRecvErr}
	if level == solIPv6 {
		c.Type = ipv6RecvErr
	}
	c.Data = binary.NativeEndian.AppendUint32(c.Data, uint32(errno))
	c.Data = append(c.Data, uint8(origin), typ, code, 0)
	c.Data = binary.NativeEndian.AppendUint32(c.Data, info)
	c.Data = binary.NativeEndian.AppendUint32(c.Data, data)
	c.Data = append(c.Data, offender...)
	return c
}

func sockaddr4(ip netip.Addr) []byte {
	b := binary.NativeEndian.AppendUint16(nil, syscall.AF_INET)
	return append(append(append(b, 0, 0), ip.AsSlice()...), make([]byte, 8)...)
}

func sockaddr6(ip netip.Addr, scope uint32) []byte {
	b := binary.NativeEndian.AppendUint16(nil, syscall.AF_INET6)
	b = append(append(b, make([]byte, 6)...), ip.AsSlice()...)
	return binary.NativeEndian.AppendUint32(b, scope)
}

func TestExtendedErrorHasEveryMember(t *testing.T) {
	router4, router6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1")
	out := carry(t,
		extended(solIP, syscall.EHOSTUNREACH, OriginICMP, 3, 1, 0, 0, sockaddr4(router4)),
		extended(solIPv6, syscall.EMSGSIZE, OriginICMP6, 2, 0, 1280, 0, sockaddr6(router6, 3)),
		extended(solIP, syscall.EMSGSIZE, OriginLocal, 0, 0, 1500, 0, make([]byte, 16)),
		extended(solIPv6, 0, OriginZeroCopy, 0, 1, 7, 9, nil),
		TTL(5))

	e, ok := out[0].ExtendedError()
	require.True(t, ok)
	assert.Equal(t, ExtendedError{Errno: syscall.EHOSTUNREACH, Origin: OriginICMP, Type: ICMPDestUnreach,
		Code: ICMPHostUnreach, Offender: Inet4Addr(router4, 0)}, e)
	assert.ErrorIs(t, e.Errno, syscall.EHOSTUNREACH)

	e, ok = out[1].ExtendedError()
	require.True(t, ok)
	assert.Equal(t, ICMP6PktTooBig, e.Type)
	assert.Equal(t, uint32(1280), e.Info)
	assert.Equal(t, Inet6Addr(router6, 0, 3), e.Offender)

	e, ok = out[2].ExtendedError()
	require.True(t, ok)
	assert.Equal(t, OriginLocal, e.Origin)
	assert.True(t, e.Offender.IsZero(), "made here")

	e, ok = out[3].ExtendedError()
	require.True(t, ok)
	assert.Equal(t, OriginZeroCopy, e.Origin)
	assert.Equal(t, [2]uint32{7, 9}, [2]uint32{e.Info, e.Data})
	assert.Equal(t, uint8(1), e.Code.Number())
	assert.True(t, e.Offender.IsZero(), "no room")

	_, ok = out[4].ExtendedError()
	assert.False(t, ok)
	_, ok = out[0].TTL()
	assert.False(t, ok)
}

// The record ends at each byte of it in turn.
func TestExtendedErrorCutAnywhere(t *testing.T) {
	for _, whole := range []ControlMessage{
		extended(solIP, syscall.EPROTO, OriginICMP, 3, 2, 1, 2, sockaddr4(ip4)),
		extended(solIPv6, syscall.EPROTO, OriginICMP6, 4, 2, 1, 2, sockaddr6(ip6, 0)),
	} {
		for n := range len(whole.Data) + 1 {
			c := whole
			c.Data = c.Data[:n]
			got := carry(t, c)[0]
			e, ok := got.ExtendedError()
			assert.Equal(t, n >= 16, ok)
			assert.Equal(t, n < len(whole.Data), e.Offender.IsZero())
			assert.Equal(t, n < 16, got.Map()["value"] == nil)
		}
	}
}

// OTP printed info and data signed.
func TestExtendedErrorIsUnsigned(t *testing.T) {
	c := carry(t, extended(solIP, syscall.EMSGSIZE, OriginLocal, 255, 255, math.MaxUint32, 1<<31, nil))[0]
	e, _ := c.ExtendedError()
	assert.Equal(t, uint32(math.MaxUint32), e.Info)
	assert.Equal(t, uint32(1<<31), e.Data)
	v := c.Map()["value"].(map[string]any)
	assert.Equal(t, plain.Int(math.MaxUint32), v["info"])
	assert.Equal(t, plain.Int(1<<31), v["data"])
	assert.Equal(t, 255, v["code"])
}

func TestExtendedErrorNamesAreThoseOfOTP(t *testing.T) {
	for _, row := range []struct {
		origin           ErrorOrigin
		typ, code        uint8
		name, tName, cNm string
	}{
		{OriginNone, 3, 3, "none", "3", "3"},
		{OriginLocal, 3, 3, "local", "3", "3"},
		{OriginICMP, 3, 0, "icmp", "dest_unreach", "net_unreach"},
		{OriginICMP, 3, 1, "icmp", "dest_unreach", "host_unreach"},
		{OriginICMP, 3, 2, "icmp", "dest_unreach", "2"},
		{OriginICMP, 3, 3, "icmp", "dest_unreach", "port_unreach"},
		{OriginICMP, 3, 4, "icmp", "dest_unreach", "frag_needed"},
		{OriginICMP, 3, 6, "icmp", "dest_unreach", "net_unknown"},
		{OriginICMP, 3, 7, "icmp", "dest_unreach", "host_unknown"},
		{OriginICMP, 11, 0, "icmp", "time_exceeded", "0"},
		{OriginICMP, 12, 1, "icmp", "12", "1"},
		{OriginICMP6, 1, 0, "icmp6", "dest_unreach", "noroute"},
		{OriginICMP6, 1, 1, "icmp6", "dest_unreach", "adm_prohibited"},
		{OriginICMP6, 1, 2, "icmp6", "dest_unreach", "not_neighbour"},
		{OriginICMP6, 1, 3, "icmp6", "dest_unreach", "addr_unreach"},
		{OriginICMP6, 1, 4, "icmp6", "dest_unreach", "port_unreach"},
		{OriginICMP6, 1, 5, "icmp6", "dest_unreach", "policy_fail"},
		{OriginICMP6, 1, 6, "icmp6", "dest_unreach", "reject_route"},
		{OriginICMP6, 1, 7, "icmp6", "dest_unreach", "7"},
		{OriginICMP6, 2, 0, "icmp6", "pkt_toobig", "0"},
		{OriginICMP6, 3, 0, "icmp6", "time_exceeded", "0"},
		{OriginTxStatus, 1, 0, "txstatus", "1", "0"},
		{OriginZeroCopy, 0, 1, "zerocopy", "0", "1"},
		{OriginTxTime, 0, 2, "txtime", "0", "2"},
		{7, 3, 3, "7", "3", "3"},
	} {
		c := carry(t, extended(solIP, syscall.ECONNREFUSED, row.origin, row.typ, row.code, 0, 0, nil))[0]
		e, ok := c.ExtendedError()
		require.True(t, ok)
		assert.Equal(t, []string{row.name, row.tName, row.cNm}, []string{e.Origin.String(), e.Type.String(), e.Code.String()})
		assert.Equal(t, []uint8{row.typ, row.code}, []uint8{e.Type.Number(), e.Code.Number()})
	}
}

func TestExtendedErrorMapHasOTPsKeys(t *testing.T) {
	out := carry(t,
		extended(solIP, syscall.ECONNREFUSED, OriginICMP, 3, 3, 0, 0, sockaddr4(ip4)),
		extended(solIP, 0, OriginZeroCopy, 0, 1, 2, 3, make([]byte, 16)))
	m := out[0].Map()
	assert.Equal(t, "ip", m["level"])
	assert.Equal(t, "recverr", m["type"])
	assert.Equal(t, map[string]any{"error": "econnrefused", "origin": "icmp", "type": "dest_unreach", "code": "port_unreach",
		"info": 0, "data": 0, "offender": Inet4Addr(ip4, 0).Map()}, m["value"])
	assert.Equal(t, map[string]any{"error": 0, "origin": "zerocopy", "type": 0, "code": 1, "info": 2, "data": 3},
		out[1].Map()["value"])
}

func TestErrorQueueOfTheKernel(t *testing.T) {
	for _, d := range []Domain{Inet, Inet6} {
		t.Run(d.String(), func(t *testing.T) {
			machine.NeedICMP(t)
			if d == Inet6 {
				machine.NeedIPv6(t)
			}
			gone, err := Open(d, Dgram, UDP)
			require.NoError(t, err)
			require.NoError(t, gone.Bind(Loopback))
			to, err := gone.SockName()
			require.NoError(t, err)
			require.NoError(t, gone.Close())

			s, err := Open(d, Dgram, UDP)
			require.NoError(t, err)
			defer s.Close()
			level, opt := solIP, ipRecvErr
			if d == Inet6 {
				level, opt = solIPv6, ipv6RecvErr
			}
			require.NoError(t, s.SetOptionNative(level, opt, 1))

			var m Msg
			assert.ErrorIs(t, s.RecvMsg(&m, MsgErrQueue, Within(0)), ErrTimeout)
			eventually(t, func() bool { // the kernel sends only so many answers in a while
				_, err = s.SendTo([]byte("ping"), to, 0, Forever)
				require.NoError(t, err)
				err = s.RecvMsg(&m, MsgErrQueue, Within(100*time.Millisecond))
				return err == nil
			}, "an answer")
			assert.Equal(t, "ping", string(m.Data()))
			assert.Equal(t, to, m.Addr)
			assert.NotZero(t, m.Flags&MsgErrQueue)
			var got []ExtendedError
			for c := range m.Control() {
				if e, ok := c.ExtendedError(); ok {
					got = append(got, e)
				}
			}
			want := ExtendedError{Errno: syscall.ECONNREFUSED, Origin: OriginICMP, Type: ICMPDestUnreach,
				Code: ICMPPortUnreach, Offender: Inet4Addr(to.IP(), 0)}
			if d == Inet6 {
				want.Origin, want.Type, want.Code = OriginICMP6, ICMP6DestUnreach, ICMP6PortUnreach
				want.Offender = Inet6Addr(to.IP(), 0, 0)
			}
			assert.Equal(t, []ExtendedError{want}, got)
			assert.ErrorIs(t, s.RecvMsg(&m, MsgErrQueue, Within(0)), ErrTimeout)
		})
	}
}

func TestExtendedErrorAllocatesNothing(t *testing.T) {
	var out Msg
	require.NoError(t, out.SetControl(
		extended(solIP, syscall.ECONNREFUSED, OriginICMP, 3, 3, 0, 0, sockaddr4(ip4)),
		extended(solIPv6, syscall.ECONNREFUSED, OriginICMP6, 1, 4, 0, 0, sockaddr6(ip6, 0))))
	var m Msg
	fill := func() {
		_, ctrl, recs, o := m.recvBuffers(16, 256)
		n := copy(ctrl, out.send)
		*o = cMsg{control_len: cU32(n)}
		var pos uintptr
		for cCmsgNext(ctrl[:n], &pos, &recs[o.cmsgs]) > 0 {
			o.cmsgs++
		}
		m.received(0)
	}
	seen := 0
	step := func() {
		fill()
		for c := range m.Control() {
			if e, ok := c.ExtendedError(); ok && (e.Offender == Inet4Addr(ip4, 0) || e.Offender == Inet6Addr(ip6, 0, 0)) {
				seen++
			}
		}
	}
	step()
	require.Equal(t, 2, seen)
	assert.Zero(t, allocsPerRun(100, step))
}

// passPidFD asks for SCM_PIDFD (SO_PASSPIDFD), which is younger than some kernels.
func passPidFD(t *testing.T, s *Socket) {
	t.Helper()
	if err := s.SetOptionNative(solSocket, 76, 1); err != nil {
		t.Skip("SO_PASSPIDFD needs Linux 6.5:", err)
	}
}

func TestPidFDIsADescriptorLikeOthers(t *testing.T) {
	a, b := pair(t, Dgram)
	passPidFD(t, b)
	var m Msg
	before := len(descriptors())
	receive := func() {
		t.Helper()
		_, err := a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, b.RecvMsg(&m, 0, Forever))
		assert.Len(t, descriptors(), before+1)
	}

	receive()
	for c := range m.Control() {
		fd, ok := c.PidFD()
		require.True(t, ok)
		assert.Equal(t, []int{fd}, c.AppendFDs(nil))
		assert.Equal(t, "pidfd", c.Map()["type"])
	}
	receive() // closes what was not taken
	m.Reset()
	assert.Len(t, descriptors(), before)

	receive()
	fds := m.TakeFDs()
	require.Len(t, fds, 1)
	m.Reset()
	assert.Len(t, descriptors(), before+1)
	require.NoError(t, syscall.Close(fds[0]))
}

func TestPidFDsInCutControlDataAreGone(t *testing.T) {
	for records := range 3 {
		var out, m Msg
		require.NoError(t, out.SetControl(Rights(1<<30),
			ControlMessage{Level: solSocket, Type: scmPidFD, Data: binary.NativeEndian.AppendUint32(nil, math.MaxUint32)}))
		_, ctrl, recs, o := m.recvBuffers(16, 256)
		n := copy(ctrl, out.send)
		*o = cMsg{control_len: cU32(n), cmsgs: 2, flags: syscall.MSG_CTRUNC}
		var pos uintptr
		for i := range records {
			cCmsgNext(ctrl[:n], &pos, &recs[i])
			recs[i].length = 0
		}
		m.recs = recs[:records]
		m.received(0)
		assert.Empty(t, m.TakeFDs())
		for c := range m.Control() {
			_, ok := c.PidFD()
			assert.False(t, ok)
			assert.Empty(t, c.Data)
		}
	}
	// The kernel's answer for a process that is gone.
	gone := int32(-int(syscall.ESRCH))
	c := carry(t, ControlMessage{Level: solSocket, Type: scmPidFD, Data: binary.NativeEndian.AppendUint32(nil, uint32(gone))})[0]
	_, ok := c.PidFD()
	assert.False(t, ok)
	assert.Empty(t, c.AppendFDs(nil))
}

// What was received can be sent on, as bytes.
func TestReceivedRecordsOfNoValueAreSentAsBytes(t *testing.T) {
	c := carry(t, extended(solIP, syscall.EPROTO, OriginICMP, 3, 2, 1, 2, sockaddr4(ip4)))[0]
	again := carry(t, c)[0]
	assert.Equal(t, c.Data, again.Data)
	e, ok := again.ExtendedError()
	assert.True(t, ok)
	assert.Equal(t, syscall.EPROTO, e.Errno)
}

// The kernel puts the error behind all other control messages, of which there may be more than a Msg has records for.
func TestQueuedErrorBehindManyControlMessages(t *testing.T) {
	var cs []ControlMessage
	for range msgRecords + 1 {
		cs = append(cs, TTL(1))
	}
	many := new(Msg)
	require.NoError(t, many.SetControl(cs...))
	one := new(Msg)
	require.NoError(t, one.SetControl(ControlMessage{Level: solIP, Type: ipRecvErr, Data: make([]byte, 32)}))
	one.send[unix.CmsgLen(4)] = 2 // the origin: icmp
	var m Msg
	m.DecodeControl(append(many.send, one.send...))
	require.EqualValues(t, msgRecords+2, m.out.cmsgs)
	assert.Equal(t, OriginICMP, m.queuedError().Origin)
}
