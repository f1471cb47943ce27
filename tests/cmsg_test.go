package tests

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
)

// Every control message that a machine without special hardware can be made to receive, from the kernel.
// docs/limits.md lists the others.

// apart runs f in a network namespace of its own, with its loopback up and set as the arguments of ip link say. f runs on
// another goroutine: sockets that it opens belong to the namespace wherever they are used.
func apart(t *testing.T, loopback string, f func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	impossible := make(chan error, 1)
	go func() {
		defer close(impossible)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			impossible <- err
			return
		}
		args := append([]string{"link", "set", "lo", "up"}, strings.Fields(loopback)...)
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			impossible <- fmt.Errorf("ip %v: %w: %s", args, err, out)
			return
		}
		f(t)
	}()
	if err := <-impossible; err != nil {
		t.Skip("no network namespace of our own: ", err)
	}
}

// native sets an option by its numbers; the test is skipped if this kernel has none.
func native(t *testing.T, s *esock.Socket, level, opt int, value any) {
	t.Helper()
	err := s.SetOptionNative(level, opt, value)
	if errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("this kernel has no option %d of level %d", opt, level)
	}
	require.NoError(t, err, "option %d of level %d", opt, level)
}

// both is a sender connected to a receiver, UDP on the loopback of a domain.
func both(t *testing.T, d esock.Domain) (from, to *esock.Socket) {
	t.Helper()
	if d == esock.Inet6 {
		machine.NeedIPv6(t)
	}
	to = open(t, d, esock.Dgram, esock.UDP)
	require.NoError(t, to.Bind(esock.Loopback))
	from = open(t, d, esock.Dgram, esock.UDP)
	require.NoError(t, from.Connect(sockName(t, to), esock.Forever))
	return from, to
}

// got receives a message, and gives the value of the only control message that has one.
func got[V any](t *testing.T, s *esock.Socket, value func(esock.ControlMessage) (V, bool)) V {
	t.Helper()
	var m esock.Msg
	return gotInto(t, s, &m, value)
}

func gotInto[V any](t *testing.T, s *esock.Socket, m *esock.Msg, value func(esock.ControlMessage) (V, bool)) V {
	t.Helper()
	require.NoError(t, s.RecvMsg(m, 0, esock.Within(patience)))
	require.False(t, m.ControlDamaged())
	keepControl(t, m)
	var all []V
	var kinds []any
	for c := range m.Control() {
		if v, ok := value(c); ok {
			all = append(all, v)
			if c.Map()["value"] == nil {
				assert.NotNil(t, c.Data, "bytes, or a value")
			}
		}
		kinds = append(kinds, c.Map()["type"])
	}
	require.Len(t, all, 1, "control messages that came: %v", kinds)
	return all[0]
}

func sendWith(t *testing.T, s *esock.Socket, data string, cs ...esock.ControlMessage) {
	t.Helper()
	m := esock.Msg{Iov: [][]byte{[]byte(data)}}
	require.NoError(t, m.SetControl(cs...))
	n, err := s.SendMsg(&m, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

type cm = esock.ControlMessage

func TestControlOfUnixSockets(t *testing.T) {
	t.Run("rights", func(t *testing.T) {
		a, b := pair(t, esock.Dgram)
		file, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer file.Close()
		c, err := esock.RightsOf(file)
		require.NoError(t, err)
		sendWith(t, a, "x", c)
		var m esock.Msg
		require.NoError(t, b.RecvMsg(&m, 0, esock.Within(patience)))
		keepControl(t, &m)
		files := m.TakeFiles()
		require.Len(t, files, 1)
		was, _ := file.Stat()
		is, err := files[0].Stat()
		require.NoError(t, err)
		assert.True(t, os.SameFile(was, is))
		files[0].Close()
	})
	t.Run("credentials", func(t *testing.T) {
		a, b := pair(t, esock.Dgram)
		native(t, b, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		me := esock.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
		sendWith(t, a, "x")
		assert.Equal(t, me, got(t, b, cm.Credentials))
		sendWith(t, a, "x", me.Control())
		assert.Equal(t, me, got(t, b, cm.Credentials))
	})
	t.Run("pidfd", func(t *testing.T) {
		a, b := pair(t, esock.Dgram)
		native(t, b, unix.SOL_SOCKET, 76 /* SO_PASSPIDFD */, 1)
		sendWith(t, a, "x")
		var m esock.Msg
		fd := gotInto(t, b, &m, cm.PidFD)
		info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
		require.NoError(t, err)
		assert.Contains(t, string(info), "Pid:\t"+strconv.Itoa(os.Getpid())+"\n")
		m.Reset()
	})
}

func TestControlOfAnySocket(t *testing.T) {
	udp := func(t *testing.T) (a, b *esock.Socket) { return both(t, esock.Inet) }
	now := func(t *testing.T, at time.Time) {
		t.Helper()
		assert.WithinDuration(t, time.Now(), at, time.Minute)
	}
	t.Run("timestamp", func(t *testing.T) {
		a, b := udp(t)
		native(t, b, unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1)
		sendWith(t, a, "x")
		at := got(t, b, cm.Time)
		now(t, at)
		assert.Zero(t, at.Nanosecond()%1000)
	})
	t.Run("timestampns", func(t *testing.T) {
		a, b := udp(t)
		native(t, b, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		sendWith(t, a, "x")
		now(t, got(t, b, cm.Time))
	})
	t.Run("timestamps of the other numbers", func(t *testing.T) {
		for _, opt := range []int{unix.SO_TIMESTAMP_NEW, unix.SO_TIMESTAMPNS_NEW} {
			a, b := udp(t)
			native(t, b, unix.SOL_SOCKET, opt, 1)
			sendWith(t, a, "x")
			now(t, got(t, b, cm.Time))
		}
		now(t, stamped(t, unix.SO_TIMESTAMPING_NEW).Software)
	})
	t.Run("timestamping", func(t *testing.T) {
		s := stamped(t, unix.SO_TIMESTAMPING)
		now(t, s.Software)
		assert.True(t, s.Hardware.IsZero(), "loopback has no clock")
	})
	t.Run("rxq_ovfl", func(t *testing.T) {
		a, b := udp(t)
		native(t, b, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
		native(t, b, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
		data := strings.Repeat("x", 1000)
		for range 100 {
			sendWith(t, a, data)
		}
		var m esock.Msg
		for b.RecvMsg(&m, 0, esock.Within(0)) == nil {
		}
		sendWith(t, a, data) // the first that was queued after the loss tells
		assert.NotZero(t, got(t, b, cm.RxqOvfl))
	})
	t.Run("mark", func(t *testing.T) {
		privileged(t)
		a, b := udp(t)
		native(t, b, unix.SOL_SOCKET, 75 /* SO_RCVMARK */, 1)
		sendWith(t, a, "x", esock.Mark(0xfffffffe))
		assert.Equal(t, uint32(0xfffffffe), got(t, b, cm.Mark))
	})
	t.Run("priority", func(t *testing.T) {
		a, b := udp(t)
		native(t, b, unix.SOL_SOCKET, 82 /* SO_RCVPRIORITY */, 1)
		native(t, a, unix.SOL_SOCKET, unix.SO_PRIORITY, 5)
		sendWith(t, a, "x")
		assert.Equal(t, uint32(5), got(t, b, cm.Priority))
		sendWith(t, a, "x", esock.Priority(3))
		assert.Equal(t, uint32(3), got(t, b, cm.Priority))
	})
	t.Run("txtime", func(t *testing.T) {
		privileged(t)
		a, b := udp(t)
		native(t, a, unix.SOL_SOCKET, unix.SO_TXTIME, []byte{unix.CLOCK_MONOTONIC, 0, 0, 0, 0, 0, 0, 0})
		var ts unix.Timespec
		require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts))
		sendWith(t, a, "x", esock.TxTime(time.Duration(ts.Nano())+time.Millisecond))
		n, err := b.Recv(make([]byte, 9), 0, esock.Within(patience))
		assert.NoError(t, err, "the loopback, without a queue, does not wait")
		assert.Equal(t, 1, n)
	})
}

// stamped is the timestamps of a datagram. The kernel takes a moment until it stamps what arrives.
func stamped(t *testing.T, opt int) (v esock.Timestamps) {
	a, b := both(t, esock.Inet)
	native(t, b, unix.SOL_SOCKET, opt, int(esock.TimestampRxSoftware|esock.TimestampSoftware))
	eventually(t, "a timestamp", func() (ok bool) {
		sendWith(t, a, "x")
		var m esock.Msg
		require.NoError(t, b.RecvMsg(&m, 0, esock.Within(patience)))
		keepControl(t, &m)
		for c := range m.Control() {
			v, ok = c.Timestamping()
		}
		return ok
	})
	return v
}

func TestControlOfInet(t *testing.T) {
	type row struct {
		name   string
		domain esock.Domain
		set    func(t *testing.T, from, to *esock.Socket)
		send   []esock.ControlMessage
		check  func(t *testing.T, from, to *esock.Socket)
	}
	on := func(level int, opts ...int) func(*testing.T, *esock.Socket, *esock.Socket) {
		return func(t *testing.T, _, to *esock.Socket) {
			for _, o := range opts {
				native(t, to, level, o, 1)
			}
		}
	}
	lo := 1 // the loopback's index
	ip4, ip6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	for _, r := range []row{
		{"tos", esock.Inet, on(unix.SOL_IP, unix.IP_RECVTOS), []cm{esock.TOS(0xba)}, func(t *testing.T, _, to *esock.Socket) {
			assert.Equal(t, 0xba, got(t, to, cm.TOS))
		}},
		{"ttl", esock.Inet, on(unix.SOL_IP, unix.IP_RECVTTL), []cm{esock.TTL(200)}, func(t *testing.T, _, to *esock.Socket) {
			assert.Equal(t, 200, got(t, to, cm.TTL))
		}},
		{"pktinfo", esock.Inet, on(unix.SOL_IP, unix.IP_PKTINFO), []cm{esock.PktInfo4{IfIndex: lo}.Control()},
			func(t *testing.T, _, to *esock.Socket) {
				assert.Equal(t, esock.PktInfo4{IfIndex: lo, SpecDst: ip4, Addr: ip4}, got(t, to, cm.PktInfo4))
			}},
		{"origdstaddr", esock.Inet, on(unix.SOL_IP, unix.IP_RECVORIGDSTADDR), nil, func(t *testing.T, _, to *esock.Socket) {
			assert.Equal(t, sockName(t, to), got(t, to, cm.OrigDstAddr))
		}},
		{"recvopts", esock.Inet, on(unix.SOL_IP, unix.IP_RECVOPTS), []cm{esock.RetOpts([]byte{1, 1, 1, 0})},
			func(t *testing.T, _, to *esock.Socket) {
				assert.Equal(t, []byte{1, 1, 1, 0}, slices.Clone(got(t, to, cm.RecvOpts)))
			}},
		{"retopts", esock.Inet, on(unix.SOL_IP, unix.IP_RETOPTS), []cm{esock.RetOpts([]byte{7, 7, 4, 0, 0, 0, 0, 0})},
			func(t *testing.T, _, to *esock.Socket) {
				b := got(t, to, cm.RetOpts)
				require.NotEmpty(t, b)
				assert.Equal(t, byte(7), b[0], "a recorded route")
			}},
		{"hoplimit", esock.Inet6, on(unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT), []cm{esock.HopLimit(77)},
			func(t *testing.T, _, to *esock.Socket) { assert.Equal(t, 77, got(t, to, cm.HopLimit)) }},
		{"tclass", esock.Inet6, on(unix.SOL_IPV6, unix.IPV6_RECVTCLASS), []cm{esock.TClass(0xba)},
			func(t *testing.T, _, to *esock.Socket) { assert.Equal(t, 0xba, got(t, to, cm.TClass)) }},
		{"pktinfo", esock.Inet6, on(unix.SOL_IPV6, unix.IPV6_RECVPKTINFO), []cm{esock.PktInfo6{IfIndex: lo}.Control()},
			func(t *testing.T, _, to *esock.Socket) {
				assert.Equal(t, esock.PktInfo6{IfIndex: lo, Addr: ip6}, got(t, to, cm.PktInfo6))
			}},
		{"origdstaddr", esock.Inet6, on(unix.SOL_IPV6, unix.IPV6_RECVORIGDSTADDR), nil, func(t *testing.T, _, to *esock.Socket) {
			assert.Equal(t, sockName(t, to), got(t, to, cm.OrigDstAddr))
		}},
		{"flowinfo", esock.Inet6, on(unix.SOL_IPV6, 11), []cm{esock.FlowInfo(0x12345)},
			func(t *testing.T, _, to *esock.Socket) {
				assert.Equal(t, uint32(0x12345), got(t, to, cm.FlowInfo))
			}},
		{"hopopts", esock.Inet6, on(unix.SOL_IPV6, unix.IPV6_RECVHOPOPTS), []cm{esock.HopOpts([]byte{0, 0, 1, 4, 0, 0, 0, 0})},
			func(t *testing.T, _, to *esock.Socket) {
				assert.Equal(t, []byte{17, 0, 1, 4, 0, 0, 0, 0}, slices.Clone(got(t, to, cm.HopOpts)))
			}},
		{"dstopts", esock.Inet6, on(unix.SOL_IPV6, unix.IPV6_RECVDSTOPTS), []cm{esock.DstOpts([]byte{0, 0, 1, 4, 0, 0, 0, 0})},
			func(t *testing.T, _, to *esock.Socket) {
				assert.Equal(t, []byte{17, 0, 1, 4, 0, 0, 0, 0}, slices.Clone(got(t, to, cm.DstOpts)))
			}},
	} {
		t.Run(r.domain.String()+" "+r.name, func(t *testing.T) {
			if strings.HasSuffix(r.name, "opts") {
				privileged(t)
			}
			from, to := both(t, r.domain)
			r.set(t, from, to)
			sendWith(t, from, "x", r.send...)
			r.check(t, from, to)
		})
	}
}

func TestControlRTHdr(t *testing.T) {
	apart(t, "", func(t *testing.T) {
		for _, c := range []string{"all", "lo"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+c+"/seg6_enabled", []byte("1"), 0); err != nil {
				t.Skip("no segment routing here: ", err)
			}
		}
		from, to := both(t, esock.Inet6)
		native(t, to, unix.SOL_IPV6, unix.IPV6_RECVRTHDR, 1)
		// Segment routing (RFC 8754): next header, length, type 4, segments left 0, last entry 0, and the only segment.
		header := append([]byte{0, 2, 4, 0, 0, 0, 0, 0}, netip.IPv6Loopback().AsSlice()...)
		native(t, from, unix.SOL_IPV6, unix.IPV6_RTHDR, header) // as a control message Linux takes only type 2
		sendWith(t, from, "x")
		header[0] = unix.IPPROTO_UDP
		assert.Equal(t, header, bytes.Clone(got(t, to, cm.RTHdr)))
	})
}

func TestControlRecvFragSize(t *testing.T) {
	for _, d := range []esock.Domain{esock.Inet, esock.Inet6} {
		t.Run(d.String(), func(t *testing.T) {
			apart(t, "mtu 1500", func(t *testing.T) {
				from, to := both(t, d)
				if d == esock.Inet {
					native(t, to, unix.SOL_IP, unix.IP_RECVFRAGSIZE, 1)
				} else {
					native(t, to, unix.SOL_IPV6, unix.IPV6_RECVFRAGSIZE, 1)
				}
				sendWith(t, from, strings.Repeat("x", 4000))
				n := got(t, to, cm.RecvFragSize)
				assert.True(t, n > 1000 && n <= 1500, "%d", n)
			})
		})
	}
}

func TestControlOfUDPSegments(t *testing.T) {
	var m esock.Msg
	segments := func(t *testing.T, to *esock.Socket) {
		t.Helper()
		for _, want := range []int{1000, 1000, 500} {
			require.NoError(t, to.RecvMsg(&m, 0, esock.Within(patience)))
			assert.Len(t, m.Data(), want)
		}
	}
	t.Run("apart", func(t *testing.T) {
		from, to := both(t, esock.Inet)
		sendWith(t, from, strings.Repeat("x", 2500), esock.UDPSegment(1000))
		segments(t, to)
	})
	t.Run("together", func(t *testing.T) {
		from, to := both(t, esock.Inet)
		native(t, to, unix.SOL_UDP, unix.UDP_GRO, 1)
		sendWith(t, from, strings.Repeat("x", 2500), esock.UDPSegment(1000))
		n, err := to.Recv(make([]byte, 3000), esock.MsgPeek, esock.Within(patience))
		require.NoError(t, err)
		if n == 1000 {
			segments(t, to)
			t.Skip("the loopback of this kernel takes a datagram apart before GRO could keep it whole")
		}
		assert.Equal(t, 1000, gotInto(t, to, &m, cm.UDPGRO))
		assert.Len(t, m.Data(), 2500)
	})
}

func TestControlTCPInq(t *testing.T) {
	a, b := tcpPair(t)
	native(t, b, unix.SOL_TCP, unix.TCP_INQ, 1)
	_, err := a.Send([]byte("0123456789"), 0, esock.Forever)
	require.NoError(t, err)
	m := esock.Msg{Buf: make([]byte, 4)}
	assert.Equal(t, 6, gotInto(t, b, &m, cm.TCPInq))
}

func TestControlAuxData(t *testing.T) {
	apart(t, "", func(t *testing.T) {
		s := open(t, esock.Packet, esock.Dgram, esock.Protocol(unix.ETH_P_ALL<<8))
		native(t, s, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)
		from, _ := both(t, esock.Inet)
		sendWith(t, from, "hello")
		a := got(t, s, cm.AuxData)
		assert.Equal(t, uint32(20+8+5), a.Len)
		assert.Equal(t, a.Len, a.SnapLen)
	})
}

// privileged skips a test that needs root.
func privileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}
