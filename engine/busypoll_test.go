package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/testwait"
)

// busyPolls asks for the report of a loop with BusyPoll, and skips the test where the kernel has none.
func busyPolls(t *testing.T, l *engine.Loop) engine.BusyPolling {
	t.Helper()
	b, err := l.BusyPolling()
	if err != nil {
		require.Zero(t, b.Time)
		if errors.Is(err, syscall.ENOTTY) || errors.Is(err, syscall.EOPNOTSUPP) {
			t.Skip(err)
		}
		require.NoError(t, err)
	}
	return b
}

// The kernel takes the option, or the loop says why not. Over the loopback it has no effect, and the report says so.
func TestBusyPolling(t *testing.T) {
	descriptors := make(chan int, 1)
	real := loopcall.New
	loopcall.New = func(buffers, size, kind uint32) (unsafe.Pointer, *loopcall.Buffers, int, uint32, int, int) {
		q, b, fd, has, refused, r := real(buffers, size, kind)
		descriptors <- fd
		return q, b, fd, has, refused, r
	}
	t.Cleanup(func() { loopcall.New = real })
	l := run(t, engine.BusyPoll(50*time.Microsecond, 16, true))
	s, address := listen(t)
	require.NoError(t, l.Serve(s, echo))
	c := dial(t, address)
	for range 3 { // it works, whether it polls or not
		echoes(t, c)
	}
	report, _ := l.BusyPolling()
	assert.Equal(t, 1, report.Conns)
	assert.Empty(t, report.Queues)
	require.Equal(t, 50*time.Microsecond, busyPolls(t, l).Time)
	if backend == engine.Epoll {
		var params [8]byte // struct epoll_params
		const get = 2<<30 | 8<<16 | 0x8a<<8 | 2
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(<-descriptors), get, uintptr(unsafe.Pointer(&params)))
		require.Zero(t, errno)
		want := binary.NativeEndian.AppendUint32(nil, 50)
		want = binary.NativeEndian.AppendUint16(want, 16)
		require.Equal(t, append(want, 1, 0), params[:])
	}
	c.Close()
	testwait.Until(t, "the end of the connection", func() bool {
		report, err := l.BusyPolling()
		require.NoError(t, err)
		return report.Conns == 0
	})
}

func TestBusyPollOfBadValues(t *testing.T) {
	for _, o := range []engine.Option{
		engine.BusyPoll(0, 0, false), engine.BusyPoll(-time.Second, 0, false), engine.BusyPoll(time.Microsecond-1, 0, false),
		engine.BusyPoll(10*time.Millisecond+1, 0, false), engine.BusyPoll(time.Microsecond, -1, false),
		engine.BusyPoll(time.Microsecond, 1<<16, false),
	} {
		_, err := engine.New(o)
		var invalid *esock.InvalidError
		require.ErrorAs(t, err, &invalid)
	}
	var none *engine.Loop
	report, err := none.BusyPolling()
	require.NoError(t, err)
	require.Zero(t, report.Time+time.Duration(report.Conns+len(report.Queues)))
	report, err = run(t).BusyPolling()
	require.NoError(t, err)
	require.Zero(t, report.Time)
}

// Where the kernel refuses, a loop says why, and does without.
func TestWithoutBusyPolling(t *testing.T) {
	for errno, why := range map[syscall.Errno]string{
		syscall.ENOTTY:     "6.9",
		syscall.EOPNOTSUPP: "built without it",
		syscall.EPERM:      "CAP_NET_ADMIN",
		syscall.ENOSYS:     "filter",
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			real := loopcall.BusyPoll
			loopcall.BusyPoll = func(_ unsafe.Pointer, usecs, budget uint32, prefer bool) int {
				assert.Equal(t, []uint32{10_000, 1<<16 - 1}, []uint32{usecs, budget})
				assert.False(t, prefer)
				return -int(errno)
			}
			t.Cleanup(func() { loopcall.BusyPoll = real })
			l := run(t, engine.BusyPoll(10*time.Millisecond, 1<<16-1, false))
			report, err := l.BusyPolling()
			require.ErrorIs(t, err, errno)
			require.ErrorContains(t, err, why)
			require.Zero(t, report.Time)
			s, address := listen(t)
			require.NoError(t, l.Serve(s, echo))
			echoes(t, dial(t, address))
		})
	}
}

// A connection whose packets come through a device that the kernel can poll is reported with the device's queue, and the
// loop gets packets that nobody else would get for long: the handler sends each when it has had the one before.
func TestBusyPollingOfADevice(t *testing.T) {
	const many = 10
	d := deviceWithQueue(t)
	l := run(t, engine.BusyPoll(10*time.Millisecond, 0, true))
	got := make(chan string, many)
	_, err := l.Adopt(d.socket, handler{received: func(_ *engine.Conn, b []byte) {
		got <- string(b)
		if len(got) < many {
			d.send(t)
		}
	}})
	require.NoError(t, err)
	in(t, l, func() {})
	report := busyPolls(t, l)
	require.Equal(t, 1, report.Conns)
	require.Empty(t, report.Queues)
	d.send(t)
	testwait.Until(t, "all datagrams", func() bool { return len(got) == many })
	require.Equal(t, "hello", <-got)
	report = busyPolls(t, l)
	require.Len(t, report.Queues, 1)
	for queue, conns := range report.Queues {
		require.Positive(t, queue)
		require.Equal(t, 1, conns)
	}
	require.Positive(t, d.polled(t))
}

// echoes sends a byte and gets it back.
func echoes(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
}

// device is one in a network namespace of its own whose packets come through a queue that the kernel can poll.
type device struct {
	socket *esock.Socket // of UDP, with the device's address
	port   uint16
	wire   int      // a packet socket at the other end
	stats  *os.File // the namespace's counters
}

// deviceWithQueue makes one: a pair of veth, of which one end collects what it receives, and the other sends packet by
// packet. After a packet the receiving end leaves the next ones for seconds, unless it is polled.
func deviceWithQueue(t *testing.T) (d device) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	const sgro, stso = 0x2c, 0x1f // of <linux/ethtool.h>
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		made <- func() (err error) {
			if err = unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
				return err
			}
			if err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return err
			}
			if err = unix.Mount("none", "/sys", "sysfs", 0, ""); err != nil {
				return err
			}
			if err = ip("link", "add", "near", "address", "02:00:00:00:77:01", "type", "veth", "peer", "name", "far"); err != nil {
				return err
			}
			if d.socket, err = esock.Open(esock.Inet, esock.Dgram, esock.UDP); err != nil {
				return err
			}
			t.Cleanup(func() { d.socket.Close() })
			if err = errors.Join(ethtool(d.socket, "near", sgro, 1), ethtool(d.socket, "far", stso, 0)); err != nil {
				return err
			}
			const settings = "/sys/class/net/near/"
			err = errors.Join(os.WriteFile(settings+"napi_defer_hard_irqs", []byte("10000"), 0),
				os.WriteFile(settings+"gro_flush_timeout", []byte("5000000000"), 0))
			if err != nil {
				return err
			}
			err = errors.Join(ip("address", "add", "10.77.0.1/24", "dev", "near"), ip("link", "set", "near", "up"),
				ip("link", "set", "far", "up"))
			if err != nil {
				return err
			}
			if d.stats, err = os.Open("/proc/thread-self/net/netstat"); err != nil {
				return err
			}
			t.Cleanup(func() { d.stats.Close() })
			if d.wire, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			t.Cleanup(func() { unix.Close(d.wire) })
			far, err := net.InterfaceByName("far")
			if err != nil {
				return err
			}
			return unix.Bind(d.wire, &unix.SockaddrLinklayer{Ifindex: far.Index})
		}()
	}()
	if err := <-made; err != nil {
		t.Skip("no device of our own: ", err)
	}
	address, err := esock.ParseAddr("10.77.0.1:0")
	require.NoError(t, err)
	require.NoError(t, d.socket.Bind(address))
	address, err = d.socket.SockName()
	require.NoError(t, err)
	d.port = uint16(address.Port())
	return d
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}

// ethtool makes a request with a number, struct ethtool_value.
func ethtool(s *esock.Socket, name string, request, value uint32) error {
	data := [2]uint32{request, value}
	var ifr struct {
		name [16]byte
		data *[2]uint32
		_    [16]byte
	}
	copy(ifr.name[:], name)
	ifr.data = &data
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s.FD()), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr))); errno != 0 {
		return fmt.Errorf("ethtool %s %#x: %w", name, request, errno)
	}
	return nil
}

// send sends a datagram through the device, from 10.77.0.2 port 7.
func (d device) send(t *testing.T) {
	t.Helper()
	const data = "hello"
	frame := []byte{2, 0, 0, 0, 0x77, 1, 2, 0, 0, 0, 0x77, 2, 8, 0}
	head := []byte{0x45, 0, 0, 28 + byte(len(data)), 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1}
	sum := uint32(0)
	for i := 0; i < len(head); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(head[i:]))
	}
	binary.BigEndian.PutUint16(head[10:], ^uint16(sum+sum>>16))
	head = binary.BigEndian.AppendUint16(head, 7)
	head = binary.BigEndian.AppendUint16(head, d.port)
	head = append(head, 0, 8+byte(len(data)), 0, 0) // without a sum
	_, err := unix.Write(d.wire, append(append(frame, head...), data...))
	require.NoError(t, err)
}

// polled is how many packets the kernel has got by busy polling.
func (d device) polled(t *testing.T) int {
	t.Helper()
	_, err := d.stats.Seek(0, io.SeekStart)
	require.NoError(t, err)
	text, err := io.ReadAll(d.stats)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n") // a line of names, and one of numbers
	for i, name := range strings.Fields(lines[0]) {
		if name == "BusyPollRxPackets" {
			n, err := strconv.Atoi(strings.Fields(lines[1])[i])
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no BusyPollRxPackets")
	return 0
}
