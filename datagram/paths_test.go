package datagram_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/sockopt"
)

// end is a socket in a network namespace at one end of a cable.
type end struct {
	*esock.Socket
	ns, dev string
	at      netip.AddrPort
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Skipf("ip %v: %v: %s", args, err, out)
	}
}

// cable joins two namespaces by a pair of veth.
func cable(t *testing.T) (ends [2]end) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	for i := range ends {
		ends[i].ns, ends[i].dev = fmt.Sprintf("dgram-%d-%d", os.Getpid(), i), fmt.Sprintf("end%d", i)
		ip(t, "netns", "add", ends[i].ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ends[i].ns).Run() })
	}
	ip(t, "link", "add", "end0", "netns", ends[0].ns, "type", "veth", "peer", "name", "end1", "netns", ends[1].ns)
	for i := range ends {
		e := &ends[i]
		addr := netip.AddrFrom4([4]byte{10, 79, 0, byte(1 + i)})
		ip(t, "-n", e.ns, "address", "add", addr.String()+"/24", "dev", e.dev)
		ip(t, "-n", e.ns, "link", "set", e.dev, "up")
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, esock.NetNS("/run/netns/"+e.ns))
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		require.NoError(t, s.Bind(esock.Inet4Addr(addr, 0)))
		name, err := s.SockName()
		require.NoError(t, err)
		e.Socket, e.at = s, netip.AddrPortFrom(addr, uint16(name.Port()))
	}
	return ends
}

// ethtool switches an offload of the end's interface: SIOCETHTOOL, ethtool_value.
func (e end) ethtool(t *testing.T, command uint32, on uint32) {
	t.Helper()
	value := [2]uint32{command, on}
	var req struct {
		name [16]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:], e.dev)
	req.data = unsafe.Pointer(&value)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(e.FD()), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		t.Skipf("ethtool: %v", errno)
	}
}

// soon is how long SelfTest waits for what is lost.
var soon = esock.Within(10 * time.Second)

// On loopback and over a cable with its offloads on and off, trains get through whole, or are not made.
func TestTrainsGetThrough(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	withTrains(t, s)
	r, err := datagram.SelfTest(a, s, to, 1200, 40, soon)
	require.NoError(t, err)
	assert.True(t, r.OK(), "%v", r)
	assert.Equal(t, [3]int{80, 2, 0}, [3]int{r.Came, r.Trains, r.Lost}, "%v", r)
	assert.Contains(t, r.String(), "80 arrived, in 2 trains")

	const sTXCsum, sSG, sTSO, sGSO, sGRO = 0x17, 0x19, 0x1f, 0x24, 0x2c
	ends := cable(t)
	for name, off := range map[string][]uint32{"all offloads": nil, "no checksums": {sTXCsum}, "no segmentation": {sTSO, sGSO},
		"none": {sTXCsum, sSG, sTSO, sGSO, sGRO}} {
		t.Run(name, func(t *testing.T) {
			for _, command := range off {
				for _, e := range ends {
					e.ethtool(t, command, 0)
					defer e.ethtool(t, command, 1)
				}
			}
			for _, gro := range []bool{false, true} {
				require.NoError(t, sockopt.UDPGRO.Set(ends[1].Socket, gro))
				r, err := datagram.SelfTest(ends[0].Socket, ends[1].Socket, ends[1].at, 1200, 40, soon)
				require.NoError(t, err)
				assert.Equal(t, [3]int{80, 0, 0}, [3]int{r.Came, r.Damaged, r.Lost}, "%v", r)
				// Linux before 6.11 makes no trains without checksums of the device.
				assert.EqualValues(t, 2, r.Sent.Trains+min(r.Sent.Refused, 1)*2, "%v", r)
				t.Logf("UDP_GRO %v: %v %v", gro, r, r.Refusals)
			}
		})
	}
}

// What SelfTest is for.
func TestSelfTestSeesLoss(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, _ := udp(t, esock.Inet)
	_, elsewhere := udp(t, esock.Inet)
	r, err := datagram.SelfTest(a, s, elsewhere, 100, 5, esock.Within(time.Millisecond))
	require.NoError(t, err)
	assert.False(t, r.OK())
	assert.Equal(t, 10, r.Lost)
	for _, c := range [][2]int{{12, 5}, {65536, 5}, {100, 1}, {100, 65}} {
		_, err := datagram.SelfTest(a, s, elsewhere, c[0], c[1], soon)
		var invalid *esock.InvalidError
		assert.ErrorAs(t, err, &invalid, "%v", c)
	}
}

// A way whose MTU is below the length of the datagrams: no trains there, single datagrams in fragments, and trains elsewhere
// and of shorter ones. When the MTU is large again, ForgetRefusals lets them go.
func TestTrainsAboveTheMTU(t *testing.T) {
	ends := cable(t)
	here, there := ends[0], ends[1]
	ip(t, "-n", there.ns, "address", "add", "10.79.0.3/24", "dev", there.dev)
	ip(t, "-n", here.ns, "route", "add", there.at.Addr().String()+"/32", "dev", here.dev, "mtu", "1000")
	require.NoError(t, here.Close())
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, esock.NetNS("/run/netns/"+here.ns))
	require.NoError(t, err)
	defer s.Close()
	wide, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, esock.NetNS("/run/netns/"+there.ns))
	require.NoError(t, err)
	defer wide.Close()
	other := netip.AddrPortFrom(netip.MustParseAddr("10.79.0.3"), 7000)
	require.NoError(t, wide.Bind(esock.AddrFrom(other)))
	out, in, in2 := batch(t, s, 8, 1200), batch(t, there.Socket, 8, 65535), batch(t, wide, 8, 65535)
	send := func(size int, to netip.AddrPort, at *datagram.Batch) {
		t.Helper()
		want := []string{}
		for i := range 4 {
			data := bytes.Repeat([]byte{byte('a' + i)}, size)
			require.NoError(t, out.Append(data, to))
			want = append(want, string(data))
		}
		n, err := out.Send(0, patience)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
		assert.Equal(t, want, texts(t, at, 4))
	}
	send(1200, there.at, in)
	_, sent := out.Counters()
	assert.Equal(t, [2]uint64{0, 1}, [2]uint64{sent.Trains, sent.Refused})
	refusals := out.Info().Refusals
	require.Len(t, refusals, 1)
	assert.Equal(t, [2]any{esock.AddrFrom(there.at), 1200}, [2]any{refusals[0].To, refusals[0].Size})
	assert.Contains(t, []error{syscall.EINVAL, syscall.EMSGSIZE}, refusals[0].Err) // the latter in newer kernels
	send(1200, there.at, in)
	send(1200, other, in2)
	send(900, there.at, in)
	_, sent = out.Counters()
	assert.Equal(t, [2]uint64{2, 1}, [2]uint64{sent.Trains, sent.Refused})
	ip(t, "-n", here.ns, "route", "del", there.at.Addr().String()+"/32", "dev", here.dev, "mtu", "1000")
	out.ForgetRefusals()
	assert.Empty(t, out.Info().Refusals)
	send(1200, there.at, in)
	_, sent = out.Counters()
	assert.Equal(t, [2]uint64{3, 1}, [2]uint64{sent.Trains, sent.Refused})
}

// pair is two connected unix sockets for datagrams.
func pair(t testing.TB) (a, b *esock.Socket) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var socks [2]*esock.Socket
	for i, fd := range fds {
		socks[i], err = esock.Adopt(fd)
		require.NoError(t, err)
		syscall.Close(fd)
		t.Cleanup(func() { socks[i].Close() })
	}
	return socks[0], socks[1]
}

// The peer's queue is full in the middle of a batch, again and again, some datagrams are too long for any, and some are cut:
// what a call says it has sent is what has gone, and it goes on from there.
func TestBatchesThatStop(t *testing.T) {
	const huge = 100_000 // above what the send buffer holds
	a, s := pair(t)
	out, in := batch(t, a, 60, huge), batch(t, s, 7, 50)
	require.NoError(t, sockopt.SocketSndBuf.Set(a, 1<<14))
	rapid.Check(t, func(t *rapid.T) {
		var want [][]byte // on their way
		take := func() {
			n, err := in.Recv(0, esock.Within(0))
			if len(want) == 0 {
				require.ErrorIs(t, err, esock.ErrTimeout)
				return
			}
			cut := -1
			i := 0
			for d := range in.All() {
				sent := want[i]
				require.Equal(t, string(sent[:min(len(sent), 50)]), string(d.Data()))
				require.Equal(t, len(sent) > 50, d.Truncated())
				if d.Truncated() && cut < 0 {
					cut = i
				}
				i++
			}
			require.Equal(t, n, i)
			want = want[n:]
			if cut < 0 {
				require.NoError(t, err)
				return
			}
			var truncated *datagram.TruncatedError
			require.ErrorAs(t, err, &truncated)
			require.Equal(t, cut, truncated.Index)
		}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			var pending [][]byte
			for i, size := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 100), rapid.Just(huge)), 1, 60).Draw(t, "sizes") {
				data := bytes.Repeat([]byte{byte(i)}, size)
				require.NoError(t, out.Append(data, netip.AddrPort{}))
				pending = append(pending, data)
			}
			for len(pending) > 0 {
				n, err := out.Send(0, esock.Within(0))
				want, pending = append(want, pending[:n]...), pending[n:]
				require.Equal(t, len(pending), out.Len())
				switch {
				case err == nil:
					require.Empty(t, pending)
				case len(pending[0]) == huge:
					require.ErrorIs(t, err, syscall.EMSGSIZE)
					out.Skip()
					pending = pending[1:]
				default:
					require.ErrorIs(t, err, esock.ErrTimeout)
					take()
				}
			}
		}
		for len(want) > 0 {
			take()
		}
		take()
	})
}
