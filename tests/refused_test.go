package tests

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/internal/testwait"
)

// A mailbox that was told to go on, and whose next call is refused for an argument, has had its answer: the next in the
// queue moves up without a further call of its.

// refusals are calls that are refused before the kernel is asked.
type refusal struct {
	name string
	call func(s *esock.Socket, w esock.Wait) error
}

func control(n int) *esock.Msg {
	m := &esock.Msg{Iov: [][]byte{{1}}}
	if err := m.SetControl(esock.ControlMessage{Level: syscall.SOL_SOCKET, Type: 1234, Data: make([]byte, n)}); err != nil {
		panic(err)
	}
	return m
}

var refusedSends = []refusal{
	{"no address", func(s *esock.Socket, w esock.Wait) error {
		_, err := s.SendTo([]byte("x"), esock.Addr{}, 0, w)
		return err
	}},
	{"address too long", func(s *esock.Socket, w esock.Wait) error {
		_, err := s.SendTo([]byte("x"), esock.UnixAddr(string(make([]byte, 200))), 0, w)
		return err
	}},
	{"message's address too long", func(s *esock.Socket, w esock.Wait) error {
		_, err := s.SendMsg(&esock.Msg{Iov: [][]byte{{1}}, Addr: esock.UnixAddr(string(make([]byte, 200)))}, 0, w)
		return err
	}},
	{"flags beyond an int", func(s *esock.Socket, w esock.Wait) error {
		_, err := s.Send([]byte("x"), esock.MsgFlags(math.MaxInt), w)
		return err
	}},
	{"control data over sndctrlbuf", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendMsg(control(4000), 0, w); return err }},
	{"nil message", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendMsg(nil, 0, w); return err }},
	{"nil file", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendFile(nil, 0, esock.ToEnd, w); return err }},
	{"negative count", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendFile(os.Stdin, 0, -2, w); return err }},
	{"closed file", func(s *esock.Socket, w esock.Wait) error {
		f, err := os.Open("/dev/null")
		if err != nil {
			return nil
		}
		f.Close()
		_, err = s.SendFile(f, 0, esock.ToEnd, w)
		return err
	}},
}

// Only message sockets have a limit of buffers.
var refusedVector = refusal{"too many buffers", func(s *esock.Socket, w esock.Wait) error {
	many := make([][]byte, esock.Info().IOVMax+1)
	for i := range many {
		many[i] = []byte{1}
	}
	_, err := s.SendV(many, w)
	return err
}}

var refusedReceives = []refusal{
	{"flags beyond an int", func(s *esock.Socket, w esock.Wait) error {
		_, err := s.Recv(make([]byte, 1), esock.MsgFlags(math.MaxInt), w)
		return err
	}},
	{"negative length", func(s *esock.Socket, w esock.Wait) error { _, err := s.RecvBytes(-1, 0, w); return err }},
	{"nil message", func(s *esock.Socket, w esock.Wait) error { return s.RecvMsg(nil, 0, w) }},
	{"flags of a message", func(s *esock.Socket, w esock.Wait) error {
		return s.RecvMsg(new(esock.Msg), esock.MsgFlags(math.MaxInt), w)
	}},
	{"flags of recvfrom", func(s *esock.Socket, w esock.Wait) error {
		_, _, err := s.RecvFrom(make([]byte, 1), esock.MsgFlags(math.MaxInt), w)
		return err
	}},
}

// Where an int has 32 bits, there are no flags beyond those of C.
func init() {
	if testint.Wide() == nil {
		beyond := func(r refusal) bool { return strings.HasPrefix(r.name, "flags") }
		refusedSends, refusedReceives = slices.DeleteFunc(refusedSends, beyond), slices.DeleteFunc(refusedReceives, beyond)
	}
}

func TestRefusedSendsLeaveTheLane(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			list := refusedSends
			if typ != esock.Stream {
				list = append(list[:len(list):len(list)], refusedVector)
			}
			for _, r := range list {
				t.Run(r.name, func(t *testing.T) {
					a, b := pair(t, typ)
					m1, m2 := esock.NewMailbox(), esock.NewMailbox()
					room := fill(t, a)
					s1, s2 := sendSelect(t, a, m1), sendSelect(t, a, m2)
					third := sendStart(t, a, []byte("x"), esock.Within(patience), 3)
					emptyAll(t, b, room)
					assert.Equal(t, selectOf(s1), message(t, m1))
					require.Error(t, r.call(a, esock.NoWait(m1)))
					require.Equal(t, selectOf(s2), message(t, m2), "the next is told")
					require.Error(t, r.call(a, esock.NoWait(m2)))
					assert.Equal(t, outcome{1, nil}, result(t, third))
					assert.Zero(t, a.Info().NumWriters)
				})
			}
		})
	}
}

// emptyAll receives what fill has sent.
func emptyAll(t *testing.T, s *esock.Socket, n int) {
	t.Helper()
	for buf := make([]byte, 1<<16); n > 0; {
		k, err := s.Recv(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		n -= k
	}
}

// Only in the select form: with a CompletionMsg the call is over, and the refused one would be of nobody.
func TestRefusedReceivesLeaveTheLane(t *testing.T) {
	empty := refusal{"empty buffer", func(s *esock.Socket, w esock.Wait) error { _, err := s.Recv(nil, 0, w); return err }}
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		for _, r := range append(refusedReceives[:len(refusedReceives):len(refusedReceives)], empty) {
			t.Run(typ.String()+"/"+r.name, func(t *testing.T) {
				a, b := pair(t, typ)
				m1, m2 := esock.NewMailbox(), esock.NewMailbox()
				s1, s2 := recvSelect(t, b, m1), recvSelect(t, b, m2)
				third := recvStart(t, b, make([]byte, 1), esock.Within(patience), 3)
				send(t, a, "x")
				assert.Equal(t, selectOf(s1), message(t, m1))
				err := r.call(b, esock.NoWait(m1))
				if r.name != empty.name || typ != esock.Stream { // there it is no error, but an answer all the same
					require.Error(t, err)
				}
				require.Equal(t, selectOf(s2), message(t, m2), "the next is told")
				_, err = b.Recv(nil, esock.MsgFlags(math.MaxInt), esock.NoWait(m2))
				if typ != esock.Stream {
					require.Error(t, err)
				}
				assert.Equal(t, outcome{1, nil}, result(t, third))
				assert.Zero(t, b.Info().NumReaders)
			})
		}
	}
}

// What is refused because of what the socket is doing, or before the message was seen, ends nothing.
func TestRefusedCallsThatLeaveThingsAsTheyAre(t *testing.T) {
	t.Run("the message is still to be seen", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		mb := esock.NewMailbox()
		sel := recvSelect(t, b, mb)
		require.Error(t, b.RecvMsg(nil, 0, esock.NoWait(mb)))
		assert.Equal(t, 1, b.Info().NumReaders)
		send(t, a, "x")
		assert.Equal(t, selectOf(sel), message(t, mb))
		n, err := b.Recv(make([]byte, 1), 0, esock.NoWait(mb))
		assert.Equal(t, outcome{1, nil}, outcome{n, err})
	})
	t.Run("a send while connecting", func(t *testing.T) {
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		mb := esock.NewMailbox()
		sel := selected(t, s.Connect(pendingAddr(t), esock.NoWait(mb)))
		_, err := s.Send([]byte("x"), 0, esock.NoWait(mb))
		require.ErrorIs(t, err, esock.ErrState)
		_, err = s.SendTo([]byte("x"), esock.Addr{}, 0, esock.NoWait(mb))
		require.Error(t, err)
		assert.NoError(t, s.Cancel(sel), "the connect is still in progress")
	})
	t.Run("another requester's mistake", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		m1, m2 := esock.NewMailbox(), esock.NewMailbox()
		s1 := recvSelect(t, b, m1)
		send(t, a, "x")
		assert.Equal(t, selectOf(s1), message(t, m1))
		require.Error(t, b.RecvMsg(nil, 0, esock.NoWait(m2)))
		assert.NoError(t, b.Cancel(s1))
	})
}

// A context that has ended before the call carries on is an answer, too.
func TestContinuationThatIsCalledOff(t *testing.T) {
	a, b := pair(t, esock.Stream)
	room := fill(t, a)
	m1, m2 := esock.NewMailbox(), esock.NewMailbox()
	s1, s2 := sendSelect(t, a, m1), sendSelect(t, a, m2)
	emptyAll(t, b, room)
	assert.Equal(t, selectOf(s1), message(t, m1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := a.Send([]byte("x"), 0, esock.Context(ctx).Continue(s1))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, selectOf(s2), message(t, m2))
}

// One caller's mistake is not another's error: those queued behind it go on.
func TestOwnMistakesEndNoOtherCall(t *testing.T) {
	pipe := func(t *testing.T) *os.File {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		t.Cleanup(func() { r.Close(); w.Close() })
		return r
	}
	for name, mistake := range map[string]func(t *testing.T, s *esock.Socket) error{
		"a descriptor that is none": func(t *testing.T, s *esock.Socket) error {
			m := &esock.Msg{Iov: [][]byte{{1}}}
			require.NoError(t, m.SetControl(esock.Rights(9999)))
			_, err := s.SendMsg(m, 0, esock.Within(patience))
			return err
		},
		"a file that is a pipe": func(t *testing.T, s *esock.Socket) error {
			_, err := s.SendFile(pipe(t), 0, esock.ToEnd, esock.Within(patience))
			return err
		},
		"a destination on a connected stream": func(t *testing.T, s *esock.Socket) error {
			_, err := s.SendTo([]byte("x"), esock.UnixAddr("/nowhere"), 0, esock.Within(patience))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Stream)
			room := fill(t, a)
			first := sendStart(t, a, []byte("x"), esock.Within(patience), 1)
			wrong := start(func() (int, error) { return 0, mistake(t, a) })
			writers(t, a, 2)
			third := sendStart(t, a, []byte("y"), esock.Within(patience), 3)
			mb := esock.NewMailbox()
			fourth := sendSelect(t, a, mb)
			emptyAll(t, b, room)
			assert.Equal(t, outcome{1, nil}, result(t, first))
			assert.Error(t, result(t, wrong).err)
			assert.Equal(t, outcome{1, nil}, result(t, third), "it was not the third's mistake")
			assert.Equal(t, selectOf(fourth), message(t, mb))
		})
	}
	t.Run("nothing urgent", func(t *testing.T) {
		a, b := tcpPair(t)
		buf := make([]byte, 1)
		first := recvStart(t, b, buf, esock.Within(patience), 1)
		wrong := start(func() (int, error) { return b.Recv(make([]byte, 1), esock.MsgOOB, esock.Within(patience)) })
		readers(t, b, 2)
		third := recvStart(t, b, make([]byte, 1), esock.Within(patience), 3)
		send(t, a, "x")
		assert.Equal(t, outcome{1, nil}, result(t, first))
		assert.ErrorIs(t, result(t, wrong).err, syscall.EINVAL)
		send(t, a, "y")
		assert.Equal(t, outcome{1, nil}, result(t, third))
	})
}

// One refused datagram is one receiver's error; the others go on, as with package net.
func TestRefusedDatagramEndsOneReceive(t *testing.T) {
	s, _ := udp(t)
	gone := nobody(t, esock.Dgram)
	require.NoError(t, s.Connect(gone, esock.Forever))
	var calls []<-chan outcome
	for i := range 3 {
		calls = append(calls, recvStart(t, s, make([]byte, 1), esock.Within(patience), i+1))
	}
	machine.NeedICMP(t)
	testwait.Retry(t, "a refusal", func() { // the kernel sends only so many in a while
		_, err := s.Send([]byte("anybody?"), 0, esock.Within(patience))
		require.NoError(t, err)
	}, func() bool { return len(calls[0]) > 0 })
	assert.ErrorIs(t, result(t, calls[0]).err, syscall.ECONNREFUSED)
	readers(t, s, 2)
	peer := open(t, esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, peer.Bind(gone))
	for _, c := range calls[1:] {
		_, err := peer.SendTo([]byte("x"), sockName(t, s), 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, outcome{1, nil}, result(t, c))
	}
}
