package tests

import (
	"math"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/sockopt"
)

// Every test here ends with the socket at work: bad input is an error, and nothing more.

func TestBad_EmptyReceiveBuffers(t *testing.T) {
	for _, buf := range [][]byte{nil, {}} {
		for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
			a, b := pair(t, typ)
			send(t, a, "data")
			eachReceiver(t, func(t *testing.T, way receiver) {
				if way.name == "recvmsg" && buf == nil {
					return // the Msg makes its own
				}
				n, err := way.recv(b, buf, esock.Forever)
				assert.Zero(t, n)
				if typ == esock.Stream {
					assert.NoError(t, err, "not the end of the stream")
				} else {
					assert.ErrorIs(t, err, &esock.InvalidError{What: "data_size"})
				}
			})
			n, err := b.RecvFull(buf, 0, esock.Forever)
			assert.Zero(t, n)
			assert.Equal(t, typ == esock.Stream, err == nil)
			assert.Equal(t, "data", recv(t, b), "the message is still there")
			echoes(t, a, b)
		}
	}
}

func TestBad_Sizes(t *testing.T) {
	a, b := pair(t, esock.Stream)
	for _, size := range append(testint.Wide(), -1, math.MinInt) {
		_, err := b.RecvBytes(size, 0, esock.Forever)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "data_size"})
	}
	for _, size := range []any{-1, 0, int64(1 << 62), "many", esock.RcvBuf{N: -1}, esock.RcvBuf{Size: -1}, nil} {
		assert.Error(t, sockopt.Set(b, "otp", "rcvbuf", size), "%v", size)
	}
	got, err := sockopt.Get(b, "otp", "rcvbuf")
	require.NoError(t, err)
	assert.Equal(t, esock.DefaultRcvBuf, got)
	echoes(t, a, b)
}

func TestBad_Waits(t *testing.T) {
	mb := esock.NewMailbox()
	closed := esock.NewMailbox()
	closed.Close()
	timeout, sel := &esock.InvalidError{What: "timeout"}, &esock.InvalidError{What: "select"}
	for name, c := range map[string]struct {
		w   esock.Wait
		err error
	}{
		"negative time":                   {esock.Within(-1), timeout},
		"nil context":                     {esock.Context(nil), timeout}, //nolint:staticcheck
		"nil mailbox":                     {esock.NoWait(nil), timeout},
		"nil handle":                      {esock.With(nil), timeout},
		"handle without owner":            {esock.With(new(esock.Handle)), timeout},
		"negative spin":                   {esock.Forever.Spin(-1), timeout},
		"nil select":                      {esock.Forever.Continue(nil), sel},
		"select made by hand":             {esock.Forever.Continue(new(esock.Select)), sel},
		"unused handle":                   {esock.NoWait(mb).Continue((*esock.Select)(mb.NewHandle())), sel},
		"nil mailbox, completion":         {esock.Complete(nil), timeout},
		"nil handle, completion":          {esock.CompleteWith(nil), timeout},
		"select of a completion's handle": {esock.Complete(mb).Continue((*esock.Select)(mb.NewHandle())), sel},
		"closed mailbox, completion":      {esock.Complete(closed), &esock.InvalidError{What: "mailbox"}},
		"closed mailbox":                  {esock.NoWait(closed), &esock.InvalidError{What: "mailbox"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, l := range lanes(t, selectForm) {
				assert.ErrorIs(t, l.call(c.w), c.err, l.name)
				assert.Zero(t, l.count())
				l.makeReady()
				assert.NoError(t, l.call(esock.Within(patience)))
			}
			s := open(t, esock.Inet, esock.Stream, esock.TCP)
			if !strings.HasPrefix(name, "closed mailbox") {
				assert.ErrorIs(t, s.FinishConnect(c.w), eitherOr(c.err, esock.ErrState, s.FinishConnect(c.w)))
				_, err := s.SendFile(fileOf(t, 1), 0, esock.ToEnd, c.w)
				assert.Error(t, err)
			}
		})
	}
	assert.Zero(t, mb.Len())
}

// eitherOr is b if err is that, else a.
func eitherOr(a, b, err error) error {
	if isError(err, b) {
		return b
	}
	return a
}

func TestBad_TimesThatAreLarge(t *testing.T) {
	a, b := pair(t, esock.Stream)
	for _, w := range []esock.Wait{esock.Within(math.MaxInt64), esock.Until(time.Now().Add(math.MaxInt64)),
		esock.Until(time.Unix(1<<40, 0)), esock.Forever.Spin(math.MaxInt64)} {
		got := recvStartAny(b, w)
		send(t, a, "x")
		assert.Equal(t, outcome{1, nil}, result(t, got))
	}
	for _, w := range []esock.Wait{esock.Until(time.Time{}), esock.Until(time.Unix(0, 0)), esock.Within(1)} {
		_, err := b.Recv(make([]byte, 1), 0, w)
		assert.Equal(t, esock.ErrTimeout, err)
	}
}

func recvStartAny(s *esock.Socket, w esock.Wait) <-chan outcome {
	return start(func() (int, error) { return s.Recv(make([]byte, 1), 0, w) })
}

func TestBad_ForeignHandle(t *testing.T) {
	_, b := pair(t, esock.Stream)
	x, y := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	sel := recvSelect(t, b, mb)
	_, err := y.Recv(make([]byte, 1), 0, esock.NoWait(mb).Continue(sel))
	assert.ErrorIs(t, err, notInProgress)
	_, err = y.Recv(make([]byte, 1), 0, esock.Within(0).Continue(sel))
	assert.ErrorIs(t, err, notInProgress)
	_, err = b.Recv(make([]byte, 1), 0, esock.NoWait(esock.NewMailbox()).Continue(sel))
	assert.ErrorIs(t, err, notInProgress, "another requester's")
	_, _, err = b.RecvFrom(make([]byte, 1), 0, esock.NoWait(mb).Continue(sel))
	assert.ErrorIs(t, err, notInProgress, "another operation's")
	assert.Equal(t, 1, b.Info().NumReaders)
	echoes(t, x, y)
}

func TestBad_NilArguments(t *testing.T) {
	a, b := pair(t, esock.Stream)
	assert.ErrorIs(t, b.RecvMsg(nil, 0, esock.Forever), &esock.InvalidError{What: "msg"})
	_, err := a.SendMsg(nil, 0, esock.Forever)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"})
	_, err = a.SendFile(nil, 0, esock.ToEnd, esock.Forever)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "file"})
	assert.ErrorIs(t, a.Cancel(nil), notInProgress)
	assert.Error(t, esock.NewMailbox().Post(nil))
	_, err = a.Monitor(nil)
	assert.Error(t, err)
	echoes(t, a, b)
}

func TestBad_Addresses(t *testing.T) {
	long := "/" + strings.Repeat("p", 200)
	sockaddr := &esock.InvalidError{What: "sockaddr"}
	for name, c := range map[string]struct {
		a   esock.Addr
		err error
	}{
		"over-long path":          {esock.UnixAddr(long), sockaddr},
		"over-long abstract name": {esock.AbstractAddr(long), sockaddr},
		"inet for inet6":          {esock.Inet4Addr(netip.IPv6Loopback(), 1), sockaddr},
		"no ip":                   {esock.Inet4Addr(netip.Addr{}, 1), sockaddr},
		"zone":                    {esock.Inet6Addr(netip.MustParseAddr("fe80::1%eth0"), 1, 0), sockaddr},
		"family out of range":     {esock.RawAddr(1<<20, nil), sockaddr},
		"raw data too long":       {esock.RawAddr(esock.Inet, make([]byte, 500)), sockaddr},
		"none":                    {esock.Addr{}, sockaddr},
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range []esock.Domain{esock.Inet, esock.Local} {
				s := open(t, d, esock.Dgram, esock.Default)
				assert.ErrorIs(t, s.Bind(c.a), c.err)
				assert.ErrorIs(t, s.Connect(c.a, esock.Forever), c.err)
				_, err := s.SendTo([]byte("x"), c.a, 0, esock.Forever)
				assert.ErrorIs(t, err, c.err)
				if !c.a.IsZero() {
					_, err = s.SendMsg(&esock.Msg{Iov: [][]byte{{1}}, Addr: c.a}, 0, esock.Forever)
					assert.ErrorIs(t, err, c.err)
				}
				if d == esock.Inet {
					assert.NoError(t, s.Bind(esock.Loopback), "still usable")
				}
			}
		})
	}
	// The longest path that fits.
	s := open(t, esock.Local, esock.Dgram, esock.Default)
	assert.ErrorIs(t, s.Bind(esock.UnixAddr("/nowhere/"+strings.Repeat("p", 98))), syscall.ENOENT, "the kernel saw it")
}

func TestBad_UnknownFlags(t *testing.T) {
	a, b := pair(t, esock.Stream)
	for _, flags := range []esock.MsgFlags{1 << 30, 1 << 26, 1 << 20, 1 << 24} {
		n, err := a.Send([]byte("x"), flags, esock.Within(patience))
		if err == nil { // the kernel ignores what it does not know
			assert.Equal(t, 1, n)
			_, err = b.Recv(make([]byte, 1), flags, esock.Within(patience))
			assert.NoError(t, err)
		}
		assert.Zero(t, a.Info().NumWriters)
	}
	// Bits that no int of C has.
	_, err := a.Send([]byte("x"), esock.MsgFlags(math.MaxInt), esock.Within(0))
	if err == nil {
		b.Recv(make([]byte, 1), 0, esock.Within(0))
	}
	x, y := pair(t, esock.Dgram)
	_, err = x.Send([]byte("x"), esock.MsgOOB, esock.Forever)
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	echoes(t, x, y)
}

// vast is n bytes that take no memory until they are touched.
func vast(t *testing.T, n int) []byte {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Skipf("mmap of %d bytes: %v", n, err)
	}
	t.Cleanup(func() { syscall.Munmap(b) })
	return b
}

func TestBad_LengthsBeyondTwoGigabytes(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("an int has 32 bits: there are no such lengths")
	}
	gigabyte := int64(1 << 30)
	buf := vast(t, int(5*gigabyte))
	t.Run("receive", func(t *testing.T) {
		for _, typ := range []esock.Type{esock.Stream, esock.Dgram} {
			a, b := pair(t, typ)
			eachReceiver(t, func(t *testing.T, way receiver) {
				send(t, a, "data")
				n, err := way.recv(b, buf, esock.Forever)
				assert.Equal(t, outcome{4, nil}, outcome{n, err})
			})
			echoes(t, a, b)
		}
	})
	t.Run("send on a stream", func(t *testing.T) {
		eachSender(t, func(t *testing.T, way sender) {
			a, b := pair(t, esock.Stream)
			mb := esock.NewMailbox()
			n, err := way.send(a, buf, esock.NoWait(mb))
			require.NoError(t, a.Cancel(selected(t, err)))
			assert.Positive(t, n)
			drain(t, b, n)
			echoes(t, a, b)
		})
	})
	t.Run("send of a message", func(t *testing.T) {
		eachSender(t, func(t *testing.T, way sender) {
			a, b := pair(t, esock.Dgram)
			_, err := way.send(a, buf, esock.Forever)
			assert.Error(t, err)
			assert.NotErrorIs(t, err, esock.ErrTimeout)
			assert.Zero(t, a.Info().NumWriters)
			echoes(t, a, b)
		})
	})
	t.Run("vector longer than an integer of the kernel", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		mb := esock.NewMailbox()
		n, err := a.SendV([][]byte{buf, buf, buf}, esock.NoWait(mb))
		require.NoError(t, a.Cancel(selected(t, err)))
		drain(t, b, n)
		echoes(t, a, b)
	})
}
