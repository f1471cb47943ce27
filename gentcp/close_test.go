package gentcp_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// Which messages the owner gets when a socket is closed in a mode.
func TestCloseTellsAnOwnerWhoDidNot(t *testing.T) {
	for _, c := range []struct {
		mode     gentcp.Option
		stranger []string // what the owner gets when another mailbox closes
	}{
		{gentcp.Active(true), []string{"closed"}},
		{gentcp.ActiveOnce(), []string{"closed"}},
		{gentcp.ActiveN(3), []string{"closed"}},
		{gentcp.Active(false), nil},
	} {
		for _, who := range []string{"the owner", "the owner by name", "a stranger", "nobody in particular"} {
			t.Run(c.mode.String()+" "+who, func(t *testing.T) {
				mb := owner(t)
				s, peer := wired(t, mb, c.mode)
				var want []string
				switch who {
				case "the owner":
					require.NoError(t, s.Close())
				case "the owner by name":
					require.NoError(t, s.CloseFrom(mb))
				case "a stranger":
					require.NoError(t, s.CloseFrom(owner(t)))
					want = c.stranger
				case "nobody in particular":
					require.NoError(t, s.CloseFrom(nil))
					want = c.stranger
				}
				require.NoError(t, s.CloseFrom(owner(t)), "closing twice is fine")
				require.NoError(t, s.Close())
				holds(t, mb, want...)
				assert.Zero(t, mb.Len())
				readsEnd(t, peer)
			})
		}
	}
	for name, mode := range map[string]gentcp.Option{"once": gentcp.ActiveOnce(), "1": gentcp.ActiveN(1)} {
		t.Run("spent "+name, func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, mode)
			write(t, peer, "x")
			gets(t, mb, "tcp x")
			if name == "1" {
				gets(t, mb, "passive")
			}
			require.NoError(t, s.CloseFrom(nil))
			holds(t, mb)
		})
	}
	t.Run("what was announced comes first", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(false))
		put(t, s, peer, "a\nb\n")
		require.NoError(t, s.SetOpts(gentcp.ActiveN(3)))
		require.NoError(t, s.CloseFrom(nil))
		holds(t, mb, "tcp a\n", "tcp b\n", "closed")
	})
	t.Run("a listener", func(t *testing.T) {
		mb := owner(t)
		l := listenWith(t, mb, gentcp.Active(true))
		require.NoError(t, l.CloseFrom(nil))
		holds(t, mb)
	})
}

func TestAfterCloseEverythingSaysSo(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(false))
	put(t, s, peer, "a\nb\n")
	recvs(t, s, "a\n") // b has been read ahead
	require.True(t, s.Open())
	require.NoError(t, s.Close())
	assert.False(t, s.Open())
	for range 2 {
		recvs(t, s, "error: closed")
		reasons(t, "closed", s.Send([]byte("x")))
		reasons(t, "closed", s.Shutdown(esock.ShutWrite))
		reasons(t, "closed", s.ControllingProcess(mb, owner(t)))
		_, err := s.SockName()
		reasons(t, "closed", err)
		_, err = s.SendFile(os.Stdin, 0, 0)
		reasons(t, "closed", err)
		reasons(t, "einval", s.SetOpts(gentcp.Active(true)))
		_, err = s.GetOpts("active")
		reasons(t, "einval", err)
		reasons(t, "ok", s.Close())
	}
	n, room := gentcp.Buffered(s)
	assert.Zero(t, n)
	assert.Zero(t, room, "the buffer is given back")
}

// Everything that was sent before is read by the peer before the end.
func TestCloseDeliversWhatWasSent(t *testing.T) {
	s, peer := wired(t, nil)
	data := pattern(1 << 20)
	background(t, func() {
		assert.NoError(t, s.Send(data))
		assert.NoError(t, s.Close())
	})
	got, err := io.ReadAll(peer)
	require.NoError(t, err)
	assert.True(t, string(data) == string(got))
}

// With linger 0 the peer gets a reset.
func TestCloseWithLinger0Resets(t *testing.T) {
	s, peer := wired(t, nil, gentcp.Linger(true, 0))
	require.NoError(t, s.Close())
	_, err := peer.Read(make([]byte, 1))
	assert.Equal(t, "econnreset", gentcp.Reason(err))
}

func TestCloseEndsWhatWaits(t *testing.T) {
	t.Run("receives", func(t *testing.T) {
		for _, length := range []int{0, 9} {
			for _, into := range []int{0, 100} {
				s, peer := wired(t, nil)
				put(t, s, peer, "abc")
				recvs(t, s, "abc")
				errs := make(chan error, 3)
				for i := range cap(errs) {
					background(t, func() {
						_, err := s.RecvInto(make([]byte, into), length, esock.Forever)
						errs <- err
					})
					turns(t, s, i)
				}
				if length > 0 {
					write(t, peer, "de")
					inKernelQueue(t, s, 0)
				}
				s.Close()
				for range cap(errs) {
					err := <-errs
					reasons(t, "closed", err)
					assert.ErrorIs(t, err, net.ErrClosed)
				}
			}
		}
	})
	t.Run("accepts", func(t *testing.T) {
		l := listenWith(t, nil)
		var got []<-chan result
		for range 3 {
			got = append(got, inBackground(func() (*gentcp.Socket, error) { return l.Accept(nil, esock.Forever) }))
		}
		comes(t, "a waiting accept", func() bool { return len(l.Socket().Info().RStates) > 0 })
		l.Close()
		for _, ch := range got {
			r := outcomeOf(t, ch)
			assertReason(t, "closed", r.s, r.err)
		}
		_, err := l.Accept(nil, now)
		reasons(t, "closed", err)
	})
	t.Run("a close of the socket beneath", func(t *testing.T) {
		mb := owner(t)
		s, _ := wired(t, mb, gentcp.Active(true))
		holds(t, mb)
		s.Socket().Close()
		gets(t, mb, "closed")
		holds(t, mb)
	})
}

// Connections are closed at every stage, under receivers, senders, changes of the mode and of the owner. Every call
// returns, and nothing but what is allowed comes of it.
func TestCloseAtEveryStage(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 30
	}
	for round := range rounds {
		mb, other := esock.NewMailbox(), esock.NewMailbox()
		l := listenWith(t, nil)
		var wg sync.WaitGroup
		accepted := make(chan *gentcp.Socket, 2)
		for range 2 { // one of them is left waiting
			wg.Go(func() {
				a, err := l.Accept(nil, esock.Forever)
				if err == nil {
					accepted <- a
				} else {
					assert.Equal(t, "closed", gentcp.Reason(err))
				}
			})
		}
		s := connectTo(t, mb, l, gentcp.PacketType(packet.Len2), gentcp.SendTimeout(time.Second))
		a := <-accepted
		allowed := func(err error, more ...error) {
			for _, e := range append(more, gentcp.ErrClosed, esock.ErrTimeout) {
				if errors.Is(err, e) {
					return
				}
			}
			assert.NoError(t, err)
		}
		var stops []func()
		loop := func(f func()) { stops = append(stops, testwait.Repeat(f)) }
		einval := os.ErrInvalid
		loop(func() { allowed(s.Send([]byte("some"), []byte("thing"))) })
		loop(func() { allowed(a.Send([]byte("\x00\x03abc"))) })
		loop(func() { _, err := a.RecvInto(make([]byte, 64), 0, esock.Within(time.Millisecond)); allowed(err) })
		loop(func() {
			if _, err := s.Recv(0, esock.Within(time.Millisecond)); gentcp.Reason(err) != "einval" {
				allowed(err, einval)
			}
		})
		for i, o := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(2), gentcp.Active(false)} {
			if i == round%4 {
				loop(func() { s.SetOpts(o) })
			} else if i == round%3 {
				loop(func() { s.GetOpts("active"); s.SetOpts(o) })
			}
		}
		closed := 0
		loop(func() {
			for _, m := range []*esock.Mailbox{mb, other} {
				for msg, ok := m.Poll(); ok; msg, ok = m.Poll() {
					if msg == (gentcp.ClosedMsg{Sock: s}) {
						closed++
					}
				}
			}
			s.ControllingProcess(mb, other)
			s.ControllingProcess(other, mb)
		})
		// The stages come by themselves.
		for range round % 50 {
			a.Send([]byte("\x00\x01x"))
		}
		switch round % 5 {
		case 0:
			s.Close()
		case 1:
			s.CloseFrom(nil)
		case 2:
			s.Owner().Close()
		case 3:
			a.Close()
		case 4:
			go s.Close()
			s.CloseFrom(nil)
		}
		l.Close()
		for _, stop := range stops {
			stop()
		}
		wg.Wait()
		s.Close()
		a.Close()
		mb.Close()
		other.Close()
		require.LessOrEqual(t, closed, 1, "round %d", round)
	}
}
