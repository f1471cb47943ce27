package tests

import (
	"bytes"
	"errors"
	"net"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/sockopt"
)

// withFDs is a message of one byte and n descriptors.
func withFDs(t *testing.T, fd, n int) *esock.Msg {
	t.Helper()
	fds := make([]int, n)
	for i := range fds {
		fds[i] = fd
	}
	m := &esock.Msg{Iov: [][]byte{{1}}}
	require.NoError(t, m.SetControl(esock.Rights(fds...)))
	return m
}

// A peer cannot fill the process with descriptors by sending to a receiver that drops the messages.
func TestRights_OfForgottenMessagesAreClosed(t *testing.T) {
	for name, drop := range map[string]func(s *esock.Socket) error{
		"a fresh Msg each": func(s *esock.Socket) error { return s.RecvMsg(new(esock.Msg), 0, esock.Forever) },
		"peeked": func(s *esock.Socket) error {
			if err := s.RecvMsg(new(esock.Msg), esock.MsgPeek, esock.Forever); err != nil {
				return err
			}
			return s.RecvMsg(new(esock.Msg), 0, esock.Forever)
		},
		"overwritten": func(s *esock.Socket) error {
			m := new(esock.Msg)
			err := s.RecvMsg(m, 0, esock.Forever)
			*m = esock.Msg{}
			return err
		},
		"copied": func(s *esock.Socket) error {
			m := new(esock.Msg)
			err := s.RecvMsg(m, 0, esock.Forever)
			runtime.KeepAlive(copied(m))
			return err
		},
		"looked at": func(s *esock.Socket) error {
			m := new(esock.Msg)
			err := s.RecvMsg(m, 0, esock.Forever)
			for c := range m.Control() {
				c.AppendFDs(nil)
			}
			return err
		},
		"and a receive that fails": func(s *esock.Socket) error {
			m := new(esock.Msg)
			err := s.RecvMsg(m, 0, esock.Forever)
			if again := s.RecvMsg(m, 0, esock.Within(0)); !errors.Is(again, esock.ErrTimeout) {
				return again
			}
			return err
		},
		"decoded": func(s *esock.Socket) error {
			m := new(esock.Msg)
			err := s.RecvMsg(m, 0, esock.Forever)
			fds := m.TakeFDs()
			var ctrl esock.Msg
			raw, e := controlOf(fds)
			if e != nil {
				return e
			}
			ctrl.DecodeControl(raw)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Stream)
			out := withFDs(t, fdOf(t, a), 3)
			runtime.GC()
			before := len(descriptors())
			for range 20 {
				_, err := a.SendMsg(out, 0, esock.Forever)
				require.NoError(t, err)
				require.NoError(t, drop(b))
			}
			eventually(t, "descriptors closed", func() bool {
				runtime.GC()
				return len(descriptors()) <= before
			})
		})
	}
}

// controlOf is control data with the descriptors, as recvmsg(2) gives it.
func controlOf(fds []int) ([]byte, error) { return syscall.UnixRights(fds...), nil }

// What was taken is the caller's, whatever becomes of the Msg and its copies.
func TestRights_TakenOnesStay(t *testing.T) {
	sameDescriptors(t)
	a, b := pair(t, esock.Stream)
	_, err := a.SendMsg(withFDs(t, fdOf(t, a), 2), 0, esock.Forever)
	require.NoError(t, err)
	var files []*os.File
	func() {
		m := new(esock.Msg)
		require.NoError(t, b.RecvMsg(m, 0, esock.Forever))
		c := copied(m)
		files = m.TakeFiles()
		assert.Len(t, files, 2)
		assert.Empty(t, m.TakeFDs())
		assert.Empty(t, c.TakeFDs())
		c.Reset()
	}()
	for range 3 {
		runtime.GC()
	}
	for _, f := range files {
		assert.NoError(t, f.Close(), "still open")
	}
}

// On a stream control messages travel with a byte of data. Without one the kernel reports success and drops them.
func TestSendMsg_ControlNeedsAByteOnAStream(t *testing.T) {
	sameDescriptors(t)
	a, b := pair(t, esock.Stream)
	tcp, peer := tcpPair(t)
	cred := esock.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	for name, c := range map[string]esock.ControlMessage{"rights": esock.Rights(fdOf(t, a)), "credentials": cred.Control(),
		"mark": esock.Mark(0)} {
		for _, iov := range [][][]byte{nil, {}, {nil}, {{}}, {nil, {}, nil}} {
			for _, s := range []*esock.Socket{a, tcp} {
				m := &esock.Msg{Iov: iov}
				require.NoError(t, m.SetControl(c))
				n, err := s.SendMsg(m, 0, esock.Forever)
				assert.Zero(t, n)
				assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"}, name)
				assert.ErrorContains(t, err, "one byte")
				require.NoError(t, m.SetControl())
				n, err = s.SendMsg(m, 0, esock.Forever)
				assert.Equal(t, outcome{0, nil}, outcome{n, err}, "nothing at all is fine")
			}
		}
	}
	echoes(t, a, b)
	echoes(t, tcp, peer)
	// With a byte, wherever it is, they arrive; and a message socket needs none.
	x, y := pair(t, esock.SeqPacket)
	for _, e := range []struct {
		from, to *esock.Socket
		iov      [][]byte
	}{{a, b, [][]byte{nil, {1}}}, {x, y, nil}} {
		m := &esock.Msg{Iov: e.iov}
		require.NoError(t, m.SetControl(esock.Rights(fdOf(t, a))))
		_, err := e.from.SendMsg(m, 0, esock.Forever)
		require.NoError(t, err)
		var in esock.Msg
		require.NoError(t, e.to.RecvMsg(&in, 0, esock.Forever))
		fds := in.TakeFDs()
		assert.Len(t, fds, 1)
		syscall.Close(fds[0])
	}
}

// The most descriptors that Linux puts into one message pass with the default options, both ways.
func TestRights_AsManyAsTheKernelSends(t *testing.T) {
	sameDescriptors(t)
	a, b := pair(t, esock.Stream)
	require.NoError(t, sockopt.SocketPassCred.Set(b, true))
	require.NoError(t, sockopt.SocketTimestampNS.Set(b, true))
	_, err := a.SendMsg(withFDs(t, fdOf(t, a), 253), 0, esock.Forever)
	require.NoError(t, err)
	var in esock.Msg
	require.NoError(t, b.RecvMsg(&in, 0, esock.Forever))
	fds := in.TakeFDs()
	assert.Len(t, fds, 253)
	for _, fd := range fds {
		syscall.Close(fd)
	}
	for _, name := range []string{"rcvctrlbuf", "sndctrlbuf"} {
		v, err := sockopt.Get(b, "otp", name)
		require.NoError(t, err)
		assert.Equal(t, 2048, v)
	}
}

// A Msg has its own room for control messages: more than the socket's option, or less.
func TestControlRoomOfAMsg(t *testing.T) {
	a, b := pair(t, esock.Dgram)
	fd := fdOf(t, a)
	descriptors := func(m *esock.Msg, n int) (int, error) {
		t.Helper()
		_, err := a.SendMsg(withFDs(t, fd, n), 0, esock.Forever)
		require.NoError(t, err)
		err = b.RecvMsg(m, 0, esock.Within(patience))
		fds := m.TakeFDs()
		for _, fd := range fds {
			syscall.Close(fd)
		}
		return len(fds), err
	}
	require.NoError(t, b.SetRcvCtrlBuf(16+2*4))
	var m esock.Msg
	_, err := descriptors(&m, 9)
	assert.ErrorIs(t, err, esock.ErrControlTruncated, "the socket's room")
	m.CtrlSize = 16 + 10*4
	n, err := descriptors(&m, 9)
	require.NoError(t, err)
	assert.Equal(t, 9, n)
	m.CtrlSize = 16 + 4*4
	_, err = descriptors(&m, 9)
	assert.ErrorIs(t, err, esock.ErrControlTruncated, "less than before")
	n, err = descriptors(&m, 4)
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	for _, size := range append(testint.Wide(), -1) {
		m.CtrlSize = size
		for _, w := range []esock.Wait{esock.Forever, esock.NoWait(esock.NewMailbox()), esock.Complete(esock.NewMailbox())} {
			err := b.RecvMsg(&m, 0, w)
			assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"})
			assert.ErrorContains(t, err, "CtrlSize is out of range")
		}
	}
	m.Reset()
	assert.Zero(t, m.CtrlSize)

	s, _ := errorful(t)
	require.NoError(t, s.SetRcvCtrlBuf(20))
	m.CtrlSize = 512
	provoke(t, s)
	e, err := s.RecvErr(&m, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, syscall.ECONNREFUSED, e.Errno)
	m.CtrlSize = -1
	_, err = s.RecvErr(&m, esock.Forever)
	assert.ErrorContains(t, err, "CtrlSize is out of range")
}

// Control messages that were cut are an error, in every form of receive that has them.
func TestControlTruncatedIsAnError(t *testing.T) {
	t.Run("RecvErr and Errors", func(t *testing.T) {
		s, _ := errorful(t)
		require.NoError(t, sockopt.Set(s, "otp", "rcvctrlbuf", 20))
		var m esock.Msg
		provoke(t, s)
		_, err := s.RecvErr(&m, esock.Within(patience))
		assert.ErrorIs(t, err, esock.ErrControlTruncated)
		assert.Equal(t, "ping", string(m.Data()))
		provoke(t, s)
		provoke(t, s)
		n := 0
		for _, err := range s.Errors(&m) {
			assert.ErrorIs(t, err, esock.ErrControlTruncated)
			n++
		}
		assert.Equal(t, 2, n, "the queue is drained all the same")
	})
	t.Run("asynchronously", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		require.NoError(t, sockopt.Set(b, "otp", "rcvctrlbuf", 20))
		_, err := a.SendMsg(withFDs(t, fdOf(t, a), 9), 0, esock.Forever)
		require.NoError(t, err)
		mb := esock.NewMailbox()
		defer mb.Close()
		var m esock.Msg
		assert.ErrorIs(t, b.RecvMsg(&m, 0, esock.NoWait(mb)), esock.ErrControlTruncated)
		assert.Equal(t, []byte{1}, m.Data())
	})
	t.Run("a packet socket, which takes no unknown flag", func(t *testing.T) {
		s, err := esock.Open(esock.Packet, esock.Raw, 0)
		if errors.Is(err, syscall.EPERM) {
			t.Skip("needs CAP_NET_RAW")
		}
		require.NoError(t, err)
		defer s.Close()
		assert.ErrorIs(t, s.RecvMsg(new(esock.Msg), esock.MsgCTrunc, esock.Within(0)), esock.ErrTimeout)
	})
}

// MsgPeek|MsgTrunc into nothing asks for the length of the next message, and leaves it there.
func TestRecv_AsksForTheLength(t *testing.T) {
	for _, typ := range []esock.Type{esock.Dgram, esock.SeqPacket} {
		a, b := pair(t, typ)
		testLength(t, b, a.Send)
	}
	s, at := udp(t)
	from := open(t, esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, from.Connect(at, esock.Forever))
	testLength(t, s, from.Send)
}

func testLength(t *testing.T, s *esock.Socket, send func([]byte, esock.MsgFlags, esock.Wait) (int, error)) {
	t.Helper()
	const ask = esock.MsgPeek | esock.MsgTrunc
	asked := start(func() (int, error) { return s.Recv(nil, ask, esock.Within(patience)) })
	readers(t, s, 1)
	data := bytes.Repeat([]byte("x"), 20_000)
	_, err := send(data, 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, outcome{len(data), nil}, result(t, asked), "it waits for one")
	before := s.Counters()
	for _, buf := range [][]byte{nil, {}} {
		n, err := s.Recv(buf, ask, esock.Within(patience))
		assert.Equal(t, outcome{len(data), nil}, outcome{n, err})
		n, err = s.RecvFull(buf, ask, esock.Within(patience))
		assert.Equal(t, outcome{len(data), nil}, outcome{n, err})
		n, _, err = s.RecvFrom(buf, ask, esock.Within(patience))
		assert.Equal(t, outcome{len(data), nil}, outcome{n, err})
		// One of the flags alone loses the message, or tells nothing.
		for _, flags := range []esock.MsgFlags{0, esock.MsgPeek, esock.MsgTrunc} {
			_, err = s.Recv(buf, flags, esock.Within(patience))
			assert.ErrorIs(t, err, &esock.InvalidError{What: "data_size"})
			_, _, err = s.RecvFrom(buf, flags, esock.Within(patience))
			assert.ErrorIs(t, err, &esock.InvalidError{What: "data_size"})
		}
	}
	m := esock.Msg{Buf: []byte{}}
	require.NoError(t, s.RecvMsg(&m, ask, esock.Within(patience)))
	assert.Equal(t, len(data), m.FullLen)
	assert.Empty(t, m.Data())
	assert.Equal(t, before.ReadByte, s.Counters().ReadByte, "nothing was read")
	got, err := s.RecvBytes(len(data), 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, len(data), len(got))
	// An empty message has a length as well.
	_, err = send(nil, 0, esock.Forever)
	require.NoError(t, err)
	n, err := s.Recv(nil, ask, esock.Within(patience))
	assert.Equal(t, outcome{0, nil}, outcome{n, err})
	n, err = s.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.Equal(t, outcome{0, nil}, outcome{n, err})
}

// RecvBytes is as long as its data, whatever the message's length.
func TestRecvBytes_OfACutMessage(t *testing.T) {
	a, b := pair(t, esock.Dgram)
	for range 3 {
		_, err := a.Send(make([]byte, 20_000), 0, esock.Forever)
		require.NoError(t, err)
	}
	for _, e := range []struct{ length, want int }{{0, esock.DefaultRcvBuf}, {100, 100}, {30_000, 20_000}} {
		got, err := b.RecvBytes(e.length, esock.MsgTrunc, esock.Forever)
		require.NoError(t, err)
		assert.Len(t, got, e.want)
	}
}

func TestControlOfSocketInq(t *testing.T) {
	a, b := pair(t, esock.Stream)
	if err := sockopt.SocketInq.Set(b, true); err != nil {
		t.Skip("this kernel is before 6.17: ", err)
	}
	send(t, a, "hello")
	m := esock.Msg{Buf: make([]byte, 2)}
	require.NoError(t, b.RecvMsg(&m, 0, esock.Forever))
	found := false
	for c := range m.Control() {
		if n, ok := c.Inq(); ok {
			assert.Equal(t, 3, n)
			assert.Equal(t, map[string]any{"level": "socket", "type": "inq", "value": 3, "data": c.Data}, c.Map())
			found = true
		}
	}
	assert.True(t, found)
}

// Where every Linux takes MSG_ERRQUEUE for what it says, and nowhere else.
func TestWhichSocketsHaveAnErrorQueue(t *testing.T) {
	for _, e := range []struct {
		d   esock.Domain
		t   esock.Type
		p   esock.Protocol
		has bool
	}{
		{esock.Inet, esock.Stream, esock.TCP, true}, {esock.Inet6, esock.Stream, esock.Default, true},
		{esock.Inet, esock.Dgram, esock.UDP, true}, {esock.Inet6, esock.Dgram, esock.UDP, true},
		{esock.Inet, esock.Dgram, 136, true}, {esock.Inet, esock.Dgram, syscall.IPPROTO_ICMP, true},
		{esock.Inet, esock.Raw, syscall.IPPROTO_ICMP, true}, {esock.Inet, esock.Raw, 115, true},
		{esock.Packet, esock.Raw, 0, true},
		{esock.Inet, esock.Stream, esock.MPTCP, false}, {esock.Inet, esock.Dgram, 115, false},
		{esock.Inet, esock.Stream, esock.SCTP, false}, {esock.Inet, esock.SeqPacket, esock.SCTP, false},
		{esock.Local, esock.Stream, 0, false}, {esock.Local, esock.Dgram, 0, false},
		{esock.Netlink, esock.Raw, 0, false}, {esock.VSock, esock.Stream, 0, false},
	} {
		s, err := esock.Open(e.d, e.t, e.p)
		if err != nil {
			t.Logf("%v %v %v: %v", e.d, e.t, e.p, err)
			continue
		}
		want := error(syscall.EOPNOTSUPP)
		if e.has {
			want = esock.ErrTimeout
		}
		_, err = s.RecvErr(new(esock.Msg), esock.Within(0))
		assert.ErrorIs(t, err, want, "%v %v %v", e.d, e.t, e.p)
		if !e.has {
			_, err = s.ZeroCopy()
			assert.ErrorIs(t, err, want, "%v %v %v", e.d, e.t, e.p)
		}
		require.NoError(t, s.Close())
		_, err = s.RecvErr(new(esock.Msg), esock.Forever)
		assert.True(t, errors.Is(err, net.ErrClosed) || !e.has, "%v", err)
	}
}

// copied is a copy of a message: go vet reports it, and a program may do it all the same.
func copied(m *esock.Msg) *esock.Msg {
	c := new(esock.Msg)
	reflect.ValueOf(c).Elem().Set(reflect.ValueOf(m).Elem())
	return c
}
