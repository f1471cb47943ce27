package tests

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func TestShutdown_Errors(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	for _, how := range []esock.How{-1, 3, 99} {
		assert.ErrorIs(t, s.Shutdown(how), &esock.InvalidError{What: "how"})
	}
	assert.ErrorIs(t, s.Shutdown(esock.ShutRead), syscall.ENOTCONN)
	s.Close()
	assert.ErrorIs(t, s.Shutdown(esock.ShutRead), errClosed)
}

func TestShutdown_TCPRead(t *testing.T) {
	a, b := tcpPair(t)
	send(t, a, "queued")
	readable(t, b)
	require.NoError(t, b.Shutdown(esock.ShutRead))
	assert.Equal(t, "queued", recv(t, b), "what is queued is delivered")
	_, err := b.Recv(make([]byte, 10), 0, esock.Forever)
	assert.Equal(t, ioEOF, err)
	send(t, a, "later")
	readable(t, b)
	eventually(t, "what arrives later is delivered, too", func() bool {
		got, err := b.RecvBytes(0, 0, esock.Within(0))
		return err == nil && string(got) == "later"
	})
	_, err = b.Recv(make([]byte, 10), 0, esock.Forever)
	assert.Equal(t, ioEOF, err)
	require.NoError(t, b.Shutdown(esock.ShutRead), "again")
	send(t, b, "the other direction goes on")
	assert.Equal(t, "the other direction goes on", recv(t, a))
}

func TestShutdown_TCPWrite(t *testing.T) {
	a, b := tcpPair(t)
	send(t, a, "last")
	require.NoError(t, a.Shutdown(esock.ShutWrite))
	assert.Equal(t, "last", recv(t, b))
	_, err := b.Recv(make([]byte, 10), 0, esock.Within(patience))
	assert.Equal(t, ioEOF, err)
	_, err = a.Send([]byte("x"), 0, esock.Forever)
	assert.ErrorIs(t, err, syscall.EPIPE)
	send(t, b, "back")
	assert.Equal(t, "back", recv(t, a))
	assert.Equal(t, []string{"connected"}, a.Info().WStates, "no state changes")
}

func TestShutdown_BothEndsFinishedIsNotConnected(t *testing.T) {
	a, b := tcpPair(t)
	require.NoError(t, a.Shutdown(esock.ShutWrite))
	require.NoError(t, b.Shutdown(esock.ShutReadWrite))
	_, err := a.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.Equal(t, ioEOF, err)
	eventually(t, "the end of the connection", func() bool {
		_, err := b.PeerName()
		return isError(err, syscall.ENOTCONN)
	})
	assert.ErrorIs(t, b.Shutdown(esock.ShutWrite), syscall.ENOTCONN)
	assert.NotContains(t, b.Info().RStates, "closed", "and open all the same")
}

func TestShutdown_Listener(t *testing.T) {
	l, addr := listener(t, 5)
	require.NoError(t, l.Shutdown(esock.ShutWrite), "without effect")
	dial(t, addr)
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	a.Close()
	require.NoError(t, l.Shutdown(esock.ShutRead))
	_, err = l.Accept(esock.Forever)
	assert.ErrorIs(t, err, syscall.EINVAL)
	c := open(t, esock.Inet, esock.Stream, esock.TCP)
	assert.ErrorIs(t, c.Connect(addr, esock.Within(patience)), syscall.ECONNREFUSED)
	on, err := sockopt.SocketAcceptConn.Get(l)
	require.NoError(t, err)
	assert.False(t, on)
}

// Waiting calls are woken by the readiness that a shutdown makes.
func TestShutdown_WakesWaitingCalls(t *testing.T) {
	for _, f := range append(forms, form{}) {
		mb := esock.NewMailbox()
		a, _ := tcpPair(t)
		x, _ := tcpPair(t)
		fill(t, x)
		if f.wait != nil {
			r, w := f.recv(t, a, mb), f.send(t, x, mb)
			require.NoError(t, a.Shutdown(esock.ShutRead))
			assert.ErrorIs(t, f.end(t, r, mb, receives1(a)), ioEOF)
			require.NoError(t, x.Shutdown(esock.ShutWrite))
			assert.ErrorIs(t, f.end(t, w, mb, sends1(x)), syscall.EPIPE)
			continue
		}
		got := recvStart(t, a, make([]byte, 1), esock.Forever, 1)
		require.NoError(t, a.Shutdown(esock.ShutRead))
		assert.Equal(t, outcome{0, ioEOF}, result(t, got))
		sent := sendStart(t, x, []byte("x"), esock.Forever, 1)
		require.NoError(t, x.Shutdown(esock.ShutWrite))
		assert.ErrorIs(t, result(t, sent).err, syscall.EPIPE)
	}
}

// A datagram socket that is shut for reading is always readable, and recv(2) reports EAGAIN. Waiting for it must neither spin nor hang.
func TestDatagramAfterShutdownRead(t *testing.T) {
	connected, to := udp(t)
	peer, _ := udp(t)
	require.NoError(t, peer.Connect(to, esock.Forever))
	unconnected, _ := udp(t)
	unixDgram, _ := pair(t, esock.Dgram)
	_ = connected
	for name, s := range map[string]*esock.Socket{"udp connected": peer, "udp not connected": unconnected, "unix": unixDgram} {
		t.Run(name, func(t *testing.T) {
			d := twin(t, s)
			d.Close()
			parked := recvStart(t, s, make([]byte, 1), esock.Forever, 1)
			if err := s.Shutdown(esock.ShutRead); err != nil {
				assert.ErrorIs(t, err, syscall.ENOTCONN, "and it is shut all the same")
			}
			assert.Equal(t, ioEOF, result(t, parked).err)
			mb := esock.NewMailbox()
			for _, w := range append(kinds(mb), esock.Within(patience)) {
				eachReceiver(t, func(t *testing.T, way receiver) {
					_, err := way.recv(s, make([]byte, 1), w)
					assert.Equal(t, ioEOF, err)
				})
			}
			assert.Zero(t, mb.Len())
			assert.Less(t, s.Counters().ReadTries, uint64(40), "no spinning")
		})
	}
}

func TestSelectedDatagramReader(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		a, _ := pair(t, esock.Dgram)
		mb := esock.NewMailbox()
		p := f.recv(t, a, mb)
		require.NoError(t, a.Shutdown(esock.ShutRead))
		assert.ErrorIs(t, f.end(t, p, mb, receives1(a)), ioEOF)
		assert.Zero(t, mb.Len())
	})
}
