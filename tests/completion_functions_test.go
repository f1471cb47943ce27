package tests

import (
	"bytes"
	"errors"
	"net"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	dgrams "github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/sctp"
)

// Every function that takes a Wait, in the completion form. A new function is a row of completable, and
// TestCompletion_EveryFunction says so.

// A completing is one call of a function that would block.
type completing struct {
	s     *esock.Socket
	call  func(w esock.Wait) (int, error)
	ready func() // makes the call possible; it is made again until the call is over
	n     int    // how much the call moves
	// moved checks what the call has moved. m is zero if the call itself returned.
	moved func(t *testing.T, m esock.CompletionMsg)
	// kept checks that nothing of the call is in the socket or in its memory.
	kept func(t *testing.T)
	most int // how often ready may be called, 0: any number of times
}

// completable has the functions by the names of their methods. A connect whose end is not wanted leads to a peer that does
// not answer.
var completable = []struct {
	name string
	op   esock.Op
	open func(t *testing.T, ends bool) *completing
}{
	{"Socket.Accept", esock.OpAccept, func(t *testing.T, _ bool) *completing {
		l, addr := listener(t, 5)
		c := &completing{s: l, ready: func() { dial(t, addr) }, most: 1}
		var got *esock.Socket
		c.call = func(w esock.Wait) (n int, err error) { got, err = l.Accept(w); return 0, err }
		c.moved = func(t *testing.T, m esock.CompletionMsg) {
			if m.Handle != nil {
				got = m.Accepted()
			}
			require.NotNil(t, got)
			assert.Contains(t, got.Info().WStates, "connected")
			assert.NoError(t, got.Close())
		}
		c.kept = func(t *testing.T) { assert.Nil(t, got) }
		return c
	}},
	{"Socket.Connect", esock.OpConnect, func(t *testing.T, ends bool) *completing {
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		_, addr := listener(t, 5)
		if !ends {
			addr = pendingAddr(t)
		}
		return &completing{s: s, call: func(w esock.Wait) (int, error) { return 0, s.Connect(addr, w) }, ready: func() {},
			moved: func(t *testing.T, _ esock.CompletionMsg) { assert.Contains(t, s.Info().WStates, "connected") }}
	}},
	{"Socket.Recv", esock.OpRecv, receives(func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		return s.Recv(buf, 0, w)
	})},
	{"Socket.RecvFull", esock.OpRecv, receivesFrom(esock.Stream, func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		return s.RecvFull(buf[:4], 0, w)
	})},
	{"Socket.RecvFrom", esock.OpRecvFrom, receives(func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		n, _, err := s.RecvFrom(buf, 0, w)
		return n, err
	})},
	{"Socket.RecvBytes", esock.OpRecv, receives(func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		b, err := s.RecvBytes(0, 0, w)
		return copy(buf, b), err
	})},
	{"Socket.RecvBytesFrom", esock.OpRecvFrom, receives(func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		b, _, err := s.RecvBytesFrom(0, 0, w)
		return copy(buf, b), err
	})},
	{"Socket.RecvMsg", esock.OpRecvMsg, receives(func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		m := &esock.Msg{Buf: buf}
		err := s.RecvMsg(m, 0, w)
		return len(m.Data()), err
	})},
	{"sctp.RecvV", esock.OpRecvMsg, receives(func(s *esock.Socket, buf []byte, w esock.Wait) (int, error) {
		m := &esock.Msg{Buf: buf}
		_, err := sctp.RecvV(s, m, w)
		return len(m.Data()), err
	})},
	{"Socket.RecvMMsg", esock.OpRecvMMsg, func(t *testing.T, _ bool) *completing {
		a, b := pair(t, esock.Dgram)
		ms := make([]esock.Msg, 3)
		return &completing{s: b, call: func(w esock.Wait) (int, error) { return b.RecvMMsg(ms, 0, w) },
			ready: func() { send(t, a, "data") }, n: 1, most: 1,
			moved: func(t *testing.T, _ esock.CompletionMsg) { assert.Equal(t, "data", string(ms[0].Data())) },
			kept:  func(t *testing.T) { assert.Empty(t, ms[0].Data()) }}
	}},
	{"datagram.Batch.Recv", esock.OpRecvMMsg, func(t *testing.T, _ bool) *completing {
		a, b := pair(t, esock.Dgram)
		batch := batchOf(t, b)
		text := func() (all string) {
			for d := range batch.All() {
				all += string(d.Data())
			}
			return all
		}
		return &completing{s: b, call: func(w esock.Wait) (int, error) { return batch.Recv(0, w) },
			ready: func() { send(t, a, "data") }, n: 1, most: 1,
			moved: func(t *testing.T, m esock.CompletionMsg) {
				if m.Handle != nil {
					n, err := batch.Finish(m)
					assert.Equal(t, outcome{1, nil}, outcome{n, err})
				}
				assert.Equal(t, "data", text())
			},
			kept: func(t *testing.T) { assert.Empty(t, text()) }}
	}},
	{"Socket.Send", esock.OpSend, sends(esock.Stream, func(s *esock.Socket, w esock.Wait) (int, error) {
		return s.Send([]byte("data"), 0, w)
	})},
	{"Socket.Send of a message", esock.OpSend, sends(esock.Dgram, func(s *esock.Socket, w esock.Wait) (int, error) {
		return s.Send([]byte("data"), 0, w)
	})},
	{"Socket.SendTo", esock.OpSendTo, func(t *testing.T, _ bool) *completing {
		s, to, at := fullTo(t)
		return drained(s, to, func(w esock.Wait) (int, error) { return s.SendTo([]byte("data"), at, 0, w) })
	}},
	{"Socket.SendMsg", esock.OpSendMsg, sends(esock.Stream, func(s *esock.Socket, w esock.Wait) (int, error) {
		return s.SendMsg(&esock.Msg{Iov: [][]byte{[]byte("da"), []byte("ta")}}, 0, w)
	})},
	{"Socket.SendMsg of a message", esock.OpSendMsg, sends(esock.Dgram, func(s *esock.Socket, w esock.Wait) (int, error) {
		return s.SendMsg(&esock.Msg{Iov: [][]byte{[]byte("data")}}, 0, w)
	})},
	{"Socket.SendV", esock.OpSendV, sends(esock.Stream, func(s *esock.Socket, w esock.Wait) (int, error) {
		return s.SendV([][]byte{[]byte("d"), nil, []byte("ata")}, w)
	})},
	{"sctp.SendV", esock.OpSendMsg, func(t *testing.T, _ bool) *completing {
		s, to, at := fullTo(t)
		other, otherAt := unixDgram(t)
		return drained(s, to, func(w esock.Wait) (int, error) {
			n, err := sctp.SendV(s, [][]byte{[]byte("d"), []byte("ata")}, []esock.Addr{at}, w)
			// Another call, which may use what the package keeps for calls.
			require.NoError(t, second(sctp.SendV(other, [][]byte{[]byte("more")}, []esock.Addr{otherAt}, esock.Within(patience))))
			require.Equal(t, "more", recv(t, other))
			return n, err
		})
	}},
	{"Socket.SendMMsg", esock.OpSendMMsg, func(t *testing.T, _ bool) *completing {
		a, b := pair(t, esock.Dgram)
		fill(t, a)
		c := drained(a, b, func(w esock.Wait) (int, error) {
			return a.SendMMsg([]esock.Msg{{Iov: [][]byte{[]byte("data")}}}, 0, w)
		})
		c.n = 1
		return c
	}},
	{"datagram.Batch.Send", esock.OpSendMMsg, func(t *testing.T, _ bool) *completing {
		a, b := pair(t, esock.Dgram)
		fill(t, a)
		batch := batchOf(t, a)
		c := drained(a, b, func(w esock.Wait) (int, error) {
			if batch.Len() == 0 {
				require.NoError(t, batch.AppendAddr([]byte("data"), esock.Addr{}))
			}
			return batch.Send(0, w)
		})
		c.n = 1
		came := c.moved
		c.moved = func(t *testing.T, m esock.CompletionMsg) {
			if m.Handle != nil {
				n, err := batch.Finish(m)
				assert.Equal(t, outcome{1, nil}, outcome{n, err})
			}
			assert.Zero(t, batch.Len())
			came(t, m)
		}
		return c
	}},
	{"Socket.SendFile", esock.OpSendFile, func(t *testing.T, _ bool) *completing {
		a, b := pair(t, esock.Stream)
		fillForFiles(t, a)
		f := contentOf(t, []byte("data"))
		return drained(a, b, func(w esock.Wait) (int, error) {
			n, err := a.SendFile(f, 0, esock.ToEnd, w)
			return int(n), err
		})
	}},
	{"ZeroCopy.Send", esock.OpSend, func(t *testing.T, _ bool) *completing {
		a, b := tcpPair(t)
		z, err := a.ZeroCopy()
		if errors.Is(err, syscall.ENOPROTOOPT) || errors.Is(err, syscall.EOPNOTSUPP) {
			t.Skip("the kernel has no MSG_ZEROCOPY here:", err)
		}
		require.NoError(t, err)
		fill(t, a)
		return drained(a, b, func(w esock.Wait) (int, error) { return z.Send([]byte("data"), w) })
	}},
}

// notCompletable are the functions that take a Wait and have no completion form, with the error of the call.
var notCompletable = map[string]func(t *testing.T, w esock.Wait) (error, error){
	"Socket.RecvErr": func(t *testing.T, w esock.Wait) (error, error) {
		s, _ := udp(t)
		_, err := s.RecvErr(new(esock.Msg), w)
		return err, &esock.InvalidError{What: "timeout"}
	},
	"Socket.FinishConnect": func(t *testing.T, w esock.Wait) (error, error) { // the library does it
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		return s.FinishConnect(w), esock.ErrState
	},
}

// unixDgram is a unix datagram socket, and its address.
func unixDgram(t *testing.T) (*esock.Socket, esock.Addr) {
	s, at := open(t, esock.Local, esock.Dgram, esock.Default), esock.UnixAddr(t.TempDir()+"/s")
	require.NoError(t, s.Bind(at))
	return s, at
}

// fullTo is a socket that sends to an address where there is no room. No event says when there is some again.
func fullTo(t *testing.T) (s, to *esock.Socket, at esock.Addr) {
	to, at = unixDgram(t)
	s = open(t, esock.Local, esock.Dgram, esock.Default)
	for err := error(nil); err == nil; {
		_, err = s.SendTo([]byte("fill"), at, 0, esock.Within(0))
	}
	return s, to, at
}

// batchOf is a batch for a socket's datagrams.
func batchOf(t *testing.T, s *esock.Socket) *dgrams.Batch {
	b, err := dgrams.NewBatch(s, 2, 64)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// receiveCall is a receive into memory of the test, if it takes some.
type receiveCall = func(s *esock.Socket, buf []byte, w esock.Wait) (int, error)

func receives(call receiveCall) func(*testing.T, bool) *completing {
	return receivesFrom(esock.Dgram, call)
}

// receivesFrom is a receive of "data" by a socket of a type.
func receivesFrom(typ esock.Type, call receiveCall) func(*testing.T, bool) *completing {
	return func(t *testing.T, _ bool) *completing {
		a, b := pair(t, typ)
		buf := make([]byte, 8)
		return &completing{s: b, call: func(w esock.Wait) (int, error) { return call(b, buf, w) },
			ready: func() { send(t, a, "data") }, n: 4, most: 1,
			moved: func(t *testing.T, m esock.CompletionMsg) {
				if m.Handle != nil {
					assert.Equal(t, "data", string(m.Data()))
					return
				}
				assert.Equal(t, "data", string(buf[:4]))
			},
			kept: func(t *testing.T) { assert.Equal(t, make([]byte, 8), buf) }}
	}
}

// sends is a send of "data" by a socket that is full.
func sends(typ esock.Type, call func(s *esock.Socket, w esock.Wait) (int, error)) func(*testing.T, bool) *completing {
	return func(t *testing.T, _ bool) *completing {
		a, b := pair(t, typ)
		fill(t, a)
		return drained(a, b, func(w esock.Wait) (int, error) { return call(a, w) })
	}
}

// drained is a send of "data" that becomes possible when the other end receives.
func drained(s, from *esock.Socket, call func(w esock.Wait) (int, error)) *completing {
	var all []byte
	empty := func() {
		for buf := make([]byte, 1<<16); ; {
			n, err := from.Recv(buf, 0, esock.Within(0))
			if err != nil {
				return
			}
			all = append(all, buf[:n]...)
		}
	}
	return &completing{s: s, call: call, ready: empty, n: 4,
		moved: func(t *testing.T, _ esock.CompletionMsg) {
			eventually(t, "the data", func() bool { empty(); return bytes.HasSuffix(all, []byte("data")) })
			assert.Equal(t, 1, bytes.Count(all, []byte("data")), "it comes once")
		},
		kept: func(t *testing.T) {
			empty()
			assert.NotContains(t, string(all), "data")
		}}
}

// comes makes the call possible until a mailbox has its message, which it takes and checks.
func (c *completing) comes(t *testing.T, mb *esock.Mailbox, call *esock.Completion) {
	t.Helper()
	tries := 0
	eventually(t, "the message", func() bool {
		if c.most == 0 || tries < c.most {
			c.ready()
			tries++
		}
		return mb.Len() > 0
	})
	done := completed(t, mb, call)
	if c.n == 0 {
		moved(t, done)
	} else {
		assert.Equal(t, c.n, moved(t, done))
	}
	c.moved(t, done)
	assert.Zero(t, mb.Len(), "it comes once")
	assert.False(t, call.Handle().Busy())
	assert.ErrorIs(t, c.s.Cancel(call), notCarriedOut, "it is over")
}

// free checks that the direction is free, and that a call of its own moves what the one that has ended has not.
func (c *completing) free(t *testing.T, op esock.Op) {
	t.Helper()
	i := c.s.Info()
	assert.Zero(t, i.NumReaders+i.NumWriters+i.NumAcceptors)
	if op == esock.OpConnect {
		assert.NotContains(t, i.WStates, "connecting")
		return // the kernel's attempt goes on
	}
	c.ready()
	pollerTurn(t)
	c.kept(t)
	n, err := c.call(esock.Within(patience))
	require.NoError(t, err)
	if op != esock.OpAccept {
		assert.Equal(t, c.n, n)
	}
	c.moved(t, esock.CompletionMsg{})
}

func TestCompletion_Functions(t *testing.T) {
	for _, row := range completable {
		begin := func(t *testing.T, ends bool) (*completing, *esock.Mailbox, *esock.Completion) {
			sameDescriptors(t)
			c, mb := row.open(t, ends), esock.NewMailbox()
			h := mb.NewHandle()
			n, err := c.call(esock.CompleteWith(h))
			assert.Zero(t, n)
			call := carried(t, err)
			assert.Same(t, h, call.Handle())
			assert.Equal(t, row.op, call.Op())
			return c, mb, call
		}
		end := func(t *testing.T, c *completing, mb *esock.Mailbox) {
			assert.NoError(t, closeSoon(t, c.s))
			assert.Zero(t, mb.Len())
			mb.Close()
		}
		for name, test := range map[string]func(t *testing.T){
			"message": func(t *testing.T) {
				c, mb, call := begin(t, true)
				c.comes(t, mb, call)
				end(t, c, mb)
			},
			"waits": func(t *testing.T) {
				c, mb, call := begin(t, false)
				assert.True(t, call.Handle().Busy())
				assert.ErrorIs(t, second(c.call(esock.CompleteWith(call.Handle()))), esock.ErrState)
				assert.ErrorIs(t, second(c.call(esock.Complete(mb))), esock.ErrState)
				assert.Error(t, second(c.call(esock.Within(0))), "it has the direction")
				foreign, _ := pair(t, esock.Stream)
				assert.ErrorIs(t, foreign.Cancel(call), notCarriedOut)
				assert.Error(t, c.s.Cancel((*esock.Completion)(esock.NewMailbox().NewHandle())))
				assert.True(t, call.Handle().Busy(), "it goes on")
				require.NoError(t, c.s.Cancel(call))
				end(t, c, mb)
			},
			"cancel": func(t *testing.T) {
				c, mb, call := begin(t, false)
				require.NoError(t, c.s.Cancel(call))
				assert.ErrorIs(t, c.s.Cancel(call), notCarriedOut)
				assert.False(t, call.Handle().Busy())
				c.free(t, row.op)
				end(t, c, mb)
			},
			"close": func(t *testing.T) {
				c, mb, call := begin(t, false)
				require.NoError(t, closeSoon(t, c.s))
				assert.Equal(t, abortOf(call, net.ErrClosed), message(t, mb))
				assert.ErrorIs(t, c.s.Cancel(call), net.ErrClosed)
				assert.ErrorIs(t, second(c.call(esock.Complete(mb))), net.ErrClosed)
				if c.kept != nil {
					c.kept(t)
				}
				assert.Zero(t, mb.Len())
			},
			"mailbox closes": func(t *testing.T) {
				c, mb, call := begin(t, false)
				require.NoError(t, mb.Close())
				assert.False(t, call.Handle().Busy())
				assert.ErrorIs(t, second(c.call(esock.Complete(mb))), &esock.InvalidError{What: "mailbox"})
				c.free(t, row.op)
				end(t, c, mb)
			},
			"owner closes": func(t *testing.T) {
				c, mb, call := begin(t, false)
				owner := esock.NewMailbox()
				require.NoError(t, c.s.ControllingProcess(nil, owner))
				require.NoError(t, owner.Close())
				assert.Equal(t, abortOf(call, net.ErrClosed), message(t, mb))
				assert.ErrorIs(t, c.s.Close(), net.ErrClosed)
			},
			"queued": func(t *testing.T) {
				c, first, ahead := begin(t, false)
				mb := esock.NewMailbox()
				_, err := c.call(esock.Complete(mb))
				if alone := map[esock.Op]error{esock.OpConnect: esock.ErrAlready, esock.OpSendFile: esock.ErrState}[row.op]; alone != nil {
					assert.ErrorIs(t, err, alone, "one at a time")
					require.NoError(t, c.s.Cancel(ahead), "which goes on")
					return
				}
				call := carried(t, err)
				require.NoError(t, c.s.Cancel(call))
				assert.ErrorIs(t, c.s.Cancel(call), notCarriedOut)
				_, err = c.call(esock.Complete(mb))
				call = carried(t, err)
				require.NoError(t, c.s.Cancel(ahead), "the next one moves up")
				c.comes(t, mb, call)
				assert.Zero(t, first.Len())
				end(t, c, mb)
			},
			"zero": func(t *testing.T) {
				c, closed := row.open(t, false), esock.NewMailbox()
				closed.Close()
				for name, w := range map[string]esock.Wait{
					"nil": esock.Complete(nil), "zero": esock.Complete(new(esock.Mailbox)), "closed": esock.Complete(closed),
					"no handle": esock.CompleteWith(nil), "a zero handle": esock.CompleteWith(new(esock.Handle)),
					"a handle of a closed mailbox": esock.CompleteWith(closed.NewHandle()),
				} {
					var invalid *esock.InvalidError
					assert.ErrorAs(t, second(c.call(w)), &invalid, name)
				}
				c.free(t, row.op)
			},
		} {
			t.Run(row.name+"/"+name, test)
		}
	}
	for name, call := range notCompletable {
		t.Run(name, func(t *testing.T) {
			mb := esock.NewMailbox()
			err, want := call(t, esock.Complete(mb))
			assert.ErrorIs(t, err, want)
			assert.Zero(t, mb.Len())
		})
	}
}

// A function that takes a Wait is in one of the two tables.
func TestCompletion_EveryFunction(t *testing.T) {
	var rows []string
	for _, row := range completable {
		rows = append(rows, strings.TrimSuffix(row.name, " of a message"))
	}
	for of, typ := range map[string]reflect.Type{"Socket.": reflect.TypeFor[*esock.Socket](),
		"ZeroCopy.": reflect.TypeFor[*esock.ZeroCopy](), "datagram.Batch.": reflect.TypeFor[*dgrams.Batch]()} {
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			name := of + m.Name
			for k := range m.Type.NumIn() {
				if m.Type.In(k) == reflect.TypeFor[esock.Wait]() {
					assert.True(t, slices.Contains(rows, name) != (notCompletable[name] != nil), "%s is in none, or in both", name)
				}
			}
		}
	}
}
