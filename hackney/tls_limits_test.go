package hackney

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
	"github.com/stretchr/testify/require"
)

// fill makes the kernel take no more bytes of a connection whose peer does not read, however long that is.
func fill(t *testing.T, s Socket) {
	t.Helper()
	eventually(t, func() bool {
		for {
			if _, err := beneath(s).Send(make([]byte, 1<<16), 0, esock.Within(0)); err != nil {
				require.Equal(t, esock.ErrTimeout, err)
				break
			}
		}
		return testkit.StaysFull(t, beneath(s))
	}, "a full buffer")
}

func TestASendThatTimesOutDoesNotWaitOnceMoreForTheAlert(t *testing.T) {
	s, _ := connect(t, nil, overTLS, gentcp.SndBuf(1<<12), gentcp.SendTimeout(time.Millisecond))
	fill(t, s)
	before := beneath(s).Counters().WriteWaits
	require.Equal(t, esock.ErrTimeout, s.Send([]byte("x")))
	require.Equal(t, before+1, beneath(s).Counters().WriteWaits)
}

// The time of a call is not followed by that of option linger.
func TestACallThatTimesOutDoesNotLinger(t *testing.T) {
	linger := gentcp.Linger(true, 10*int(patience/time.Second))
	full := func(t *testing.T, tr Transport) Socket {
		s, p := connect(t, nil, tr, gentcp.SndBuf(1<<16), gentcp.SendTimeout(time.Millisecond), linger)
		t.Cleanup(func() { p.tcp.Close() }) // before the socket lingers
		fill(t, s)
		return s
	}
	inTime := func(t *testing.T, call func() error) error {
		t.Helper()
		result := make(chan error, 1)
		go func() { result <- call() }()
		return testwait.Result(t, "the end of a call that must not linger", result)
	}
	t.Run("send", func(t *testing.T) {
		s := full(t, overTLS)
		require.Equal(t, esock.ErrTimeout, inTime(t, func() error { return s.Send([]byte("x")) }))
	})
	t.Run("handshake", func(t *testing.T) {
		w := &wire{raw: full(t, TCP).Sock.(*gentcp.Socket)} // as it is in the handshake, when that ends it
		require.NoError(t, inTime(t, w.Close))
	})
}

func TestAllRecordsOfASendShareItsTime(t *testing.T) {
	for _, set := range []func(t *testing.T) (Socket, peer){
		func(t *testing.T) (Socket, peer) {
			return connect(t, nil, overTLS, gentcp.SndBuf(1<<12), gentcp.SendTimeout(100*time.Millisecond))
		},
		func(t *testing.T) (Socket, peer) {
			s, p := connect(t, nil, overTLS, gentcp.SndBuf(1<<12), gentcp.SendTimeout(time.Hour))
			require.NoError(t, s.SetOpts(gentcp.SendTimeout(100*time.Millisecond)))
			return s, p
		},
	} {
		s, p := set(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			// Fast enough for one record within the time, but not for all.
			for b := make([]byte, 16); ; {
				if _, err := p.tcp.Read(b); err != nil {
					return
				}
			}
		}()
		require.Equal(t, esock.ErrTimeout, s.Send(make([]byte, 64<<20)))
		p.tcp.Close()
		<-done
	}
}

func TestTheTimeOfASendIsSetOnce(t *testing.T) {
	s, p := connect(t, nil, overTLS, gentcp.SndBuf(1<<12), gentcp.SendTimeout(time.Hour))
	c := s.Sock.(*TLSConn)
	result := make(chan error)
	go func() { result <- s.Send(make([]byte, 16<<20)) }()
	waiting := func(more uint64) {
		t.Helper()
		eventually(t, func() bool { return beneath(s).Counters().WriteWaits >= more }, "a Send that waits")
	}
	waiting(1)
	w := c.wire.send.Load()
	require.Contains(t, w.String(), "Until(") // it is a moment
	waits := beneath(s).Counters().WriteWaits
	_, err := io.CopyN(io.Discard, p.tcp, 8<<20)
	require.NoError(t, err)
	waiting(waits + 1)
	require.Same(t, w, c.wire.send.Load())
	require.NoError(t, s.Close())
	require.Equal(t, "closed", reason(<-result))
	require.Nil(t, c.wire.send.Load())
}

func TestWhatTLSAnswersDoesNotHoldUpAReader(t *testing.T) {
	s, _ := connect(t, nil, overTLS, gentcp.SndBuf(1<<12))
	c := s.Sock.(*TLSConn)
	require.Equal(t, answerTime, c.wire.answer)
	fill(t, s)
	c.wire.answer = time.Millisecond
	_, err := c.wire.Write([]byte("a new key"))
	require.Equal(t, esock.ErrTimeout, err)
	c.wire.hurry.Store(true)
}

func TestShutdownDoesNotWaitForASend(t *testing.T) {
	s, p := connect(t, nil, overTLS)
	c := s.Sock.(*TLSConn)
	c.sender.Lock() // a Send that has begun
	require.NoError(t, s.Shutdown(esock.ShutWrite))
	c.sender.Unlock()
	_, err := p.Read(make([]byte, 1))
	require.Error(t, err)
	require.Equal(t, "closed", reason(s.Send([]byte("x"))))
}

func TestAnEndThatWasNotAnnouncedIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		end       func(t *testing.T, p peer)
		announced bool
	}{
		"announced":        {func(_ *testing.T, p peer) { p.Close() }, true},
		"half":             {func(t *testing.T, p peer) { require.NoError(t, p.Conn.(*tls.Conn).CloseWrite()) }, true},
		"between records":  {func(t *testing.T, p peer) { require.NoError(t, p.tcp.CloseWrite()) }, false},
		"within a record":  {func(t *testing.T, p peer) { half(t, p, "\x17\x03\x03\x00\x20half of one") }, false},
		"within its start": {func(t *testing.T, p peer) { half(t, p, "\x17\x03") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(s Socket) {
				t.Helper()
				for range 2 {
					_, err := s.RecvWait(0, soon)
					require.ErrorIs(t, err, gentcp.ErrClosed)
					require.ErrorIs(t, err, io.EOF)
					require.Equal(t, "closed", reason(err))
					if c.announced {
						require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
					} else {
						require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					}
				}
			}
			s, p := connect(t, nil, overTLS)
			write(t, p, "data")
			c.end(t, p)
			require.Equal(t, "data", recv(t, s, 4))
			check(s)

			mb := mailbox(t)
			s, p = connect(t, mb, overTLS)
			require.NoError(t, s.SetOpts(gentcp.Active(true)))
			c.end(t, p)
			require.Equal(t, Event{Tag: "ssl_closed"}, next(t, mb, s))
			check(s)
		})
	}
}

// half sends the beginning of a record, and ends.
func half(t *testing.T, p peer, record string) {
	t.Helper()
	_, err := p.tcp.Write([]byte(record))
	require.NoError(t, err)
	require.NoError(t, p.tcp.CloseWrite())
}

func TestTheTimeOfARecvRunsFromItsTurn(t *testing.T) {
	s, p := connect(t, nil, overTLS)
	c := s.Sock.(*TLSConn)
	write(t, p, "x")
	eventually(t, func() bool { n, err := beneath(s).NRead(); return n > 1 && err == nil }, "data")
	letGo := holdUp(c)
	result := make(chan error, 1)
	go func() {
		_, err := s.RecvWait(0, esock.Within(1))
		result <- err
	}()
	eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(result) == 1 || c.delivery.Receivers() == 2
	}, "a receive that waits for the turn")
	letGo()
	require.NoError(t, <-result) // it looks, at least
}

// holdUp keeps receives of a passive connection from their turn until the function is called.
func holdUp(c *TLSConn) (letGo func()) {
	held, release := make(chan struct{}), make(chan struct{})
	go func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.delivery.Receive(esock.Forever, func() error {
			c.mu.Unlock()
			close(held)
			<-release
			c.mu.Lock()
			return nil
		}, nil)
	}()
	<-held
	return func() { close(release) }
}

func TestAllReadsOfARecvShareItsTime(t *testing.T) {
	s, p := connect(t, nil, overTLS)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for { // byte by byte, never long in coming
			if _, err := p.Write([]byte("x")); err != nil {
				return
			}
		}
	}()
	_, err := s.RecvWait(8<<20, esock.Within(20*time.Millisecond))
	require.Equal(t, esock.ErrTimeout, err)
	p.tcp.Close()
	<-done
}

func TestTheTextOfARefusedOptionSaysItOnce(t *testing.T) {
	s, _ := connect(t, mailbox(t), overTLS)
	for _, o := range []gentcp.Option{gentcp.PacketType(packet.TLS), gentcp.PacketSize(-1), gentcp.ActiveN(1 << 20),
		gentcp.Header(4)} {
		err := s.SetOpts(o)
		require.Equal(t, 1, strings.Count(err.Error(), "invalid "), err)
		var e *esock.InvalidError
		require.ErrorAs(t, err, &e)
		require.Equal(t, o.Name(), e.What)
		require.NotEmpty(t, e.Cause)
		_, err = ConnectWait(nil, overTLS, "localhost", 1, soon, o)
		if o.Name() != "active" && o.Name() != "packet" { // the base's win
			require.Equal(t, 1, strings.Count(err.Error(), "invalid "), err)
		}
	}
}
