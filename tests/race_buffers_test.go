//go:build race

package tests

import (
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// The race detector does not see what C does with a buffer: the library tells it. Here a copy of the test binary races on
// purpose, once for each operation and buffer, and a report has to come.
//
// The detector takes each call into C for a synchronisation of all that call. So the other access is made by a goroutine
// that never calls C, and that says through a bare system call, which the detector does not know, that it is done.

// raceCase is one buffer of one operation.
type raceCase struct {
	frame string // what the report must name
	// prepare answers the bytes that another goroutine touches, whether it writes them, and the operation on them.
	prepare func(t *testing.T) (bytes []byte, write bool, operate func())
}

func raceSend(frame string, call func(s *esock.Socket, to esock.Addr, buf []byte) error) raceCase {
	return raceCase{frame, func(t *testing.T) ([]byte, bool, func()) {
		a, _ := udp(t)
		_, to := udp(t)
		buf := make([]byte, 8<<10)
		// Not the first byte: the whole of it is sent.
		return buf[len(buf)-1:], true, func() { require.NoError(t, call(a, to, buf)) }
	}}
}

func raceReceive(frame string, call func(s *esock.Socket, buf []byte) error) raceCase {
	return raceCase{frame, func(t *testing.T) ([]byte, bool, func()) {
		a, b := pair(t, esock.Dgram)
		send(t, a, "0123456789")
		buf := make([]byte, 10)
		return buf[9:], false, func() { require.NoError(t, call(b, buf)) }
	}}
}

func raceCases() map[string]raceCase {
	return map[string]raceCase{
		"Recv": raceReceive("(*Socket).Recv()", func(s *esock.Socket, buf []byte) error {
			return second(s.Recv(buf, 0, esock.Forever))
		}),
		"RecvFrom": raceReceive("(*Socket).RecvFrom()", func(s *esock.Socket, buf []byte) error {
			_, _, err := s.RecvFrom(buf, 0, esock.Forever)
			return err
		}),
		"RecvMsg": raceReceive("(*Socket).RecvMsg()", func(s *esock.Socket, buf []byte) error {
			return s.RecvMsg(&esock.Msg{Buf: buf}, 0, esock.Forever)
		}),
		"RecvMsg's control data": {"(*Socket).RecvMsg()", func(t *testing.T) ([]byte, bool, func()) {
			a, b := pair(t, esock.Dgram)
			require.NoError(t, sockopt.Set(b, "socket", "passcred", true))
			send(t, a, "x")
			send(t, a, "y")
			var m esock.Msg
			require.NoError(t, b.RecvMsg(&m, 0, esock.Forever))
			var data []byte
			for c := range m.Control() {
				data = c.Data
			}
			require.NotEmpty(t, data)
			return data[len(data)-1:], false, func() { require.NoError(t, b.RecvMsg(&m, 0, esock.Forever)) }
		}},
		"Send": {"(*Socket).Send()", func(t *testing.T) ([]byte, bool, func()) {
			a, _ := pair(t, esock.Stream)
			buf := make([]byte, 100)
			return buf[99:], true, func() { require.NoError(t, second(a.Send(buf, 0, esock.Forever))) }
		}},
		"SendTo": raceSend("(*Socket).SendTo()", func(s *esock.Socket, to esock.Addr, buf []byte) error {
			return second(s.SendTo(buf, to, 0, esock.Forever))
		}),
		"SendMsg, one slice": raceSend("(*Socket).SendMsg()", func(s *esock.Socket, to esock.Addr, buf []byte) error {
			return second(s.SendMsg(&esock.Msg{Iov: [][]byte{buf}, Addr: to}, 0, esock.Forever))
		}),
		// So large that none is copied first.
		"SendMsg, several slices": raceSend("(*Socket).SendMsg()", func(s *esock.Socket, to esock.Addr, buf []byte) error {
			return second(s.SendMsg(&esock.Msg{Iov: [][]byte{make([]byte, 16<<10), buf}, Addr: to}, 0, esock.Forever))
		}),
		"SendMsg's control data": {"(*Socket).SendMsg()", func(t *testing.T) ([]byte, bool, func()) {
			a, _ := udp(t)
			_, to := udp(t)
			m := esock.Msg{Iov: [][]byte{{1}}, Addr: to}
			require.NoError(t, m.SetControl(esock.TTL(7)))
			sent := reflect.ValueOf(&m).Elem().FieldByName("send").Bytes() // the library alone writes there
			number := sent[int(unsafe.Sizeof(syscall.Cmsghdr{})):]
			return number[:1], true, func() { // where that is the high byte, the kernel refuses the TTL
				_, _ = a.SendMsg(&m, 0, esock.Forever)
			}
		}},
		"GetOptionNative": {"(*Socket).GetOptionNative()", func(t *testing.T) ([]byte, bool, func()) {
			a, _ := udp(t)
			val := make([]byte, 4)
			return val[3:], false, func() {
				require.NoError(t, second(a.GetOptionNative(syscall.SOL_SOCKET, syscall.SO_TYPE, val)))
			}
		}},
		"SetOptionNative": {"(*Socket).SetOptionNative()", func(t *testing.T) ([]byte, bool, func()) {
			a, _ := udp(t)
			val := []byte{1, 0, 0, 0}
			return val[3:], true, func() {
				require.NoError(t, a.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_REUSEADDR, val))
			}
		}},
		"Option.Set, bytes": {".Set()", func(t *testing.T) ([]byte, bool, func()) {
			a, _ := udp(t)
			val := []byte{7, 7, 4, 0, 0, 0, 0, 1} // record route, with room for one address, and padding
			return val[3:], true, func() { require.NoError(t, sockopt.IPOptions.Set(a, val)) }
		}},
		"ControlMessage.ExtendedError": {"ControlMessage.ExtendedError()", func(t *testing.T) ([]byte, bool, func()) {
			a, to := udp(t)
			require.NoError(t, second(a.TxTimestamps(esock.TimestampTxSoftware)))
			require.NoError(t, second(a.SendTo([]byte("x"), to, 0, esock.Forever)))
			var m esock.Msg
			require.NoError(t, second(a.RecvErr(&m, esock.Within(patience))))
			for c := range m.Control() {
				if _, ok := c.ExtendedError(); ok {
					return c.Data[len(c.Data)-1:], true, func() { c.ExtendedError() }
				}
			}
			t.Fatal("no record came")
			return nil, false, nil
		}},
		"SendV": {"(*Socket).SendV()", func(t *testing.T) ([]byte, bool, func()) {
			a, _ := pair(t, esock.Stream)
			buf := make([]byte, 8<<10)
			return buf[len(buf)-1:], true, func() {
				require.NoError(t, second(a.SendV([][]byte{make([]byte, 8<<10), buf}, esock.Forever)))
			}
		}},
	}
}

const raceChild = "ESOCK_RACE_CHILD"

func TestEveryBufferIsKnownToTheRaceDetector(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^TestRacesOnPurpose$", "-test.v")
	c.Env = append(os.Environ(), raceChild+"=1", "GORACE=halt_on_error=0 exitcode=66 atexit_sleep_ms=0")
	out, err := c.CombinedOutput()
	require.Error(t, err, "the races are found: %s", out)
	for name, rc := range raceCases() {
		for _, ordered := range []bool{false, true} {
			_, said, found := strings.Cut(string(out), raceMarker(name, ordered))
			require.True(t, found, "%s: %s", name, out)
			said, _, _ = strings.Cut(said, "=== case ")
			if ordered {
				assert.NotContains(t, said, "DATA RACE", "%s, ordered by a channel", name)
				continue
			}
			if assert.Contains(t, said, "WARNING: DATA RACE", name) {
				assert.Contains(t, said, rc.frame, name)
				assert.Contains(t, said, "touchBytes()", name)
			}
		}
	}
}

func raceMarker(name string, ordered bool) string {
	if ordered {
		return "=== case " + name + " (ordered)\n"
	}
	return "=== case " + name + "\n"
}

func TestRacesOnPurpose(t *testing.T) {
	if os.Getenv(raceChild) == "" {
		t.Skip("only a copy of the test binary races")
	}
	for name, c := range raceCases() {
		for _, ordered := range []bool{false, true} {
			b, write, operate := c.prepare(t)
			var p [2]int
			require.NoError(t, syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK))
			os.Stderr.WriteString(raceMarker(name, ordered))
			done := make(chan struct{})
			go func() {
				touchBytes(b, write)
				bare(syscall.SYS_WRITE, p[1])
				if ordered {
					close(done)
				}
			}()
			for !bare(syscall.SYS_READ, p[0]) {
				runtime.Gosched()
			}
			if ordered {
				<-done
			}
			operate()
			os.Stderr.WriteString("=== case end\n")
			syscall.Close(p[0])
			syscall.Close(p[1])
		}
	}
}

//go:noinline
func touchBytes(b []byte, write bool) byte {
	if write {
		b[0] = 'z'
	}
	return b[0]
}

// bare moves a byte through a pipe without the detector's knowledge.
func bare(call uintptr, fd int) bool {
	var b [1]byte
	_, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1)
	return errno == 0
}
