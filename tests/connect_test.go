package tests

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

func TestConnect_Preconditions(t *testing.T) {
	addr := pendingAddr(t)
	connectingBy := func(t *testing.T, f form) (s *esock.Socket, mb *esock.Mailbox, p esock.Pending) {
		s, mb = open(t, esock.Inet, esock.Stream, esock.TCP), esock.NewMailbox()
		p = f.pending(t, s.Connect(addr, f.wait(mb)))
		assert.Equal(t, []string{"connecting", "selected"}, remove(s.Info().WStates, "completing"))
		return s, mb, p
	}
	connecting := func(t *testing.T) (*esock.Socket, *esock.Mailbox, esock.Pending) { return connectingBy(t, selectForm) }

	t.Run("not open", func(t *testing.T) {
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		s.Close()
		assert.ErrorIs(t, s.Connect(addr, esock.Forever), errClosed)
		assert.ErrorIs(t, s.FinishConnect(esock.Forever), errClosed)
	})
	t.Run("a current writer exists", func(t *testing.T) {
		a, _ := pair(t, esock.Stream)
		mb := esock.NewMailbox()
		fill(t, a)
		sendSelect(t, a, mb)
		for _, w := range kinds(mb) {
			assert.ErrorIs(t, a.Connect(esock.UnixAddr("/x"), w), esock.ErrState)
			assert.ErrorIs(t, a.FinishConnect(w), esock.ErrState)
		}
	})
	t.Run("a parked writer exists", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		n := fill(t, a)
		sent := sendStart(t, a, []byte("x"), esock.Forever, 1)
		assert.ErrorIs(t, a.Connect(esock.UnixAddr("/x"), esock.Forever), esock.ErrState)
		drain(t, b, n+1)
		assert.Equal(t, outcome{1, nil}, result(t, sent))
	})
	for _, f := range forms {
		t.Run("another requester is connecting, "+f.name, func(t *testing.T) {
			s, _, sel := connectingBy(t, f)
			for _, w := range kinds(esock.NewMailbox()) {
				assert.ErrorIs(t, s.Connect(addr, w), esock.ErrAlready)
				assert.ErrorIs(t, s.FinishConnect(w), esock.ErrState)
			}
			require.NoError(t, s.Cancel(sel))
		})
		t.Run("a send while connecting, "+f.name, func(t *testing.T) {
			s, mb, _ := connectingBy(t, f)
			for _, w := range kinds(mb) {
				assert.ErrorIs(t, second(s.Send([]byte("x"), 0, w)), esock.ErrState)
			}
			assert.Contains(t, s.Info().WStates, "connecting")
		})
		t.Run("cancelled twice, "+f.name, func(t *testing.T) {
			s, mb, p := connectingBy(t, f)
			require.NoError(t, s.Cancel(p))
			assert.NotContains(t, s.Info().WStates, "connecting")
			assert.ErrorIs(t, s.Cancel(p), f.over())
			assert.ErrorIs(t, s.Connect(addr, f.wait(mb)), syscall.EALREADY, "the kernel goes on")
			assert.Zero(t, mb.Len())
		})
		t.Run("close, "+f.name, func(t *testing.T) {
			s, mb, p := connectingBy(t, f)
			require.NoError(t, s.Close())
			assert.Equal(t, abortOf(p, errClosed), message(t, mb))
			assert.Contains(t, s.Info().WStates, "connecting", "what was there stays")
		})
	}
	t.Run("another requester is connecting and waits", func(t *testing.T) {
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		done := start(func() (int, error) { return 0, s.Connect(addr, esock.Forever) })
		eventually(t, "connecting", func() bool { return hasState(s.Info().WStates, "connecting") })
		assert.ErrorIs(t, s.Connect(addr, esock.Forever), esock.ErrAlready)
		require.NoError(t, s.Close())
		assert.ErrorIs(t, result(t, done).err, errClosed, "close by another goroutine")
	})
	t.Run("no requester is connecting", func(t *testing.T) {
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		for _, w := range kinds(esock.NewMailbox()) {
			assert.ErrorIs(t, s.FinishConnect(w), esock.ErrState)
		}
	})
	t.Run("finished before it is ready, it is still connecting", func(t *testing.T) {
		s, mb, sel := connecting(t)
		again := selected(t, s.FinishConnect(esock.NoWait(mb)))
		assert.Equal(t, esock.OpConnect, again.Op())
		assert.Contains(t, s.Info().WStates, "connecting")
		assert.NotContains(t, s.Info().WStates, "connected")
		assert.Equal(t, abortOf(sel, esock.ErrCancelled), message(t, mb))
		assert.Zero(t, mb.Len())
		_, err := s.PeerName()
		assert.ErrorIs(t, err, syscall.ENOTCONN)
	})
}

// Only in the select form: a Completion has nothing to finish.
func TestConnect_SelectThenFinish(t *testing.T) {
	l, addr := listener(t, 5)
	for name, finish := range map[string]func(*esock.Socket, esock.Wait) error{
		"connect to nowhere": func(s *esock.Socket, w esock.Wait) error {
			return s.Connect(esock.Inet4Addr(loopback, 1), w) // the address is ignored
		},
		"finish": (*esock.Socket).FinishConnect,
	} {
		t.Run(name, func(t *testing.T) {
			s, mb := open(t, esock.Inet, esock.Stream, esock.TCP), esock.NewMailbox()
			sel := selected(t, s.Connect(addr, esock.NoWait(mb)))
			assert.Equal(t, selectOf(sel), message(t, mb))
			require.NoError(t, finish(s, esock.NoWait(mb)))
			assert.Equal(t, []string{"connected", "selected"}, s.Info().WStates)
			peer, err := l.Accept(esock.Within(patience))
			require.NoError(t, err)
			closeAtEnd(t, peer)
			echoes(t, s, peer)
			assert.Zero(t, mb.Len())
		})
	}
}

// The errors of an attempt name the address that it leads to, whichever call reports them.
func TestConnect_ErrorsOfAnAttemptNameItsAddress(t *testing.T) {
	nowhere := esock.Inet4Addr(loopback, 1)
	for name, finish := range map[string]func(*esock.Socket, esock.Wait) error{
		"finish":             (*esock.Socket).FinishConnect,
		"connect to nowhere": func(s *esock.Socket, w esock.Wait) error { return s.Connect(nowhere, w) }, // the address is ignored
	} {
		t.Run(name, func(t *testing.T) {
			s, mb := open(t, esock.Inet, esock.Stream, esock.TCP), esock.NewMailbox()
			to := pendingAddr(t)
			selected(t, s.Connect(to, esock.NoWait(mb)))
			for range 2 { // the second call goes on with what the first went on with
				selected(t, finish(s, esock.NoWait(mb)))
			}
			err := finish(s, esock.Within(0).As(mb))
			assert.ErrorIs(t, err, esock.ErrTimeout)
			assert.ErrorContains(t, err, " to "+to.String()+": ")

			s = open(t, esock.Inet, esock.Stream, esock.TCP)
			to = nobody(t, esock.Stream)
			err = s.Connect(to, esock.NoWait(mb))
			if _, ok := err.(*esock.Select); ok {
				eventually(t, "the answer", func() bool { return polled(t, s)&unix.POLLERR != 0 })
				err = finish(s, esock.NoWait(mb))
			}
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
			assert.ErrorContains(t, err, " to "+to.String()+": ")
		})
	}
}

func TestConnect_Results(t *testing.T) {
	l, addr := listener(t, 5)
	defer l.Close()
	dir := t.TempDir()
	unheard := open(t, esock.Local, esock.Stream, esock.Default)
	require.NoError(t, unheard.Bind(esock.UnixAddr(filepath.Join(dir, "unheard"))))
	dgram := open(t, esock.Local, esock.Dgram, esock.Default)
	require.NoError(t, dgram.Bind(esock.UnixAddr(filepath.Join(dir, "dgram"))))
	for name, c := range map[string]struct {
		d   esock.Domain
		typ esock.Type
		to  esock.Addr
		err error
	}{
		"tcp":                    {esock.Inet, esock.Stream, addr, nil},
		"tcp refused":            {esock.Inet, esock.Stream, nobody(t, esock.Stream), syscall.ECONNREFUSED},
		"udp completes at once":  {esock.Inet, esock.Dgram, addr, nil},
		"local without listener": {esock.Local, esock.Stream, sockName(t, unheard), syscall.ECONNREFUSED},
		"local to nothing":       {esock.Local, esock.Stream, esock.UnixAddr(filepath.Join(dir, "none")), syscall.ENOENT},
		"local to another type":  {esock.Local, esock.Stream, sockName(t, dgram), syscall.EPROTOTYPE},
		"wrong family":           {esock.Inet, esock.Stream, esock.Inet6Addr(netip.IPv6Loopback(), 1, 0), syscall.EAFNOSUPPORT},
		"no address":             {esock.Inet, esock.Stream, esock.Addr{}, &esock.InvalidError{What: "sockaddr"}},
		"shorthand":              {esock.Inet, esock.Stream, esock.Loopback, &esock.InvalidError{What: "sockaddr"}},
	} {
		for _, f := range append(forms, form{name: "waiting"}) {
			t.Run(name+" "+f.name, func(t *testing.T) {
				s, mb := open(t, c.d, c.typ, esock.Default), esock.NewMailbox()
				w := esock.Within(patience)
				if f.wait != nil {
					w = f.wait(mb)
				}
				err := s.Connect(c.to, w)
				if p, ok := err.(esock.Pending); ok {
					err = f.end(t, p, mb, s.FinishConnect)
				}
				if c.err == nil {
					require.NoError(t, err)
					assert.Contains(t, s.Info().WStates, "connected")
				} else {
					assert.ErrorIs(t, err, c.err)
					assert.NotContains(t, s.Info().WStates, "connected")
				}
				assert.NotContains(t, s.Info().WStates, "connecting")
				assert.Zero(t, mb.Len())
			})
		}
	}
}

func TestConnect_AgainWhenConnected(t *testing.T) {
	_, addr := listener(t, 5)
	_, other := listener(t, 5)
	mb := esock.NewMailbox()
	refused := func(t *testing.T, s *esock.Socket) {
		for _, w := range []esock.Wait{esock.Within(patience), esock.Within(0), esock.NoWait(mb), esock.Complete(mb)} {
			assert.ErrorIs(t, s.Connect(other, w), syscall.EISCONN)
		}
		peer, err := s.PeerName()
		require.NoError(t, err)
		assert.Equal(t, addr, peer)
		assert.Contains(t, s.Info().WStates, "connected")
	}
	t.Run("waiting", func(t *testing.T) { refused(t, dial(t, addr)) })
	eachForm(t, func(t *testing.T, f form) {
		s := open(t, esock.Inet, esock.Stream, esock.TCP)
		p := f.pending(t, s.Connect(addr, f.wait(mb)))
		require.NoError(t, f.end(t, p, mb, s.FinishConnect))
		refused(t, s)
	})
	t.Run("adopted from package net", func(t *testing.T) {
		c, err := net.Dial("tcp", addr.String())
		require.NoError(t, err)
		defer c.Close()
		f, err := c.(*net.TCPConn).File()
		require.NoError(t, err)
		defer f.Close()
		s, err := esock.Adopt(int(f.Fd()))
		require.NoError(t, err)
		closeAtEnd(t, s)
		refused(t, s)
	})
	t.Run("dissolved", func(t *testing.T) {
		s := dial(t, addr)
		require.NoError(t, s.Connect(esock.RawAddr(esock.Unspec, nil), esock.Forever))
		require.NoError(t, s.Connect(other, esock.Within(patience)))
	})
}

func TestConnect_OutOfTime(t *testing.T) {
	addr := pendingAddr(t)
	cancelled, cancel := context.WithCancel(context.Background())
	for name, c := range map[string]struct {
		w   esock.Wait
		err error
	}{
		"at once":       {esock.Within(0), esock.ErrTimeout},
		"within":        {esock.Within(time.Millisecond), esock.ErrTimeout},
		"until":         {esock.Until(time.Now().Add(time.Millisecond)), esock.ErrTimeout},
		"until earlier": {esock.Until(time.Now().Add(-time.Hour)), esock.ErrTimeout},
		"context":       {esock.Context(cancelled), context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, esock.Inet, esock.Stream, esock.TCP)
			done := start(func() (int, error) { return 0, s.Connect(addr, c.w) })
			if name == "context" {
				eventually(t, "connecting", func() bool { return hasState(s.Info().WStates, "connecting") })
				cancel()
			}
			err := result(t, done).err
			assert.ErrorIs(t, err, c.err)
			if c.err == esock.ErrTimeout {
				assert.ErrorContains(t, err, "open another", "it says what to do")
			}
			assert.NotContains(t, s.Info().WStates, "connecting", "the connector is dropped")
			assert.ErrorIs(t, s.Connect(addr, esock.Within(0)), syscall.EALREADY, "the kernel goes on connecting")
		})
	}
	cancel()
}

func TestConnect_AfterFailureTheSocketIsToBeClosed(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.ErrorIs(t, s.Connect(nobody(t, esock.Stream), esock.Within(patience)), syscall.ECONNREFUSED)
	// Documented: the next attempt reports the old failure, or fails or succeeds as the kernel likes; what counts is
	// that it answers, and that the socket can be closed.
	_, addr := listener(t, 5)
	err := s.Connect(addr, esock.Within(patience))
	_, isSelect := err.(*esock.Select)
	assert.False(t, isSelect)
	assert.NotContains(t, s.Info().WStates, "connecting")
	assert.NoError(t, s.Close())
}

func TestConnect_UnixBacklogFullIsAnError(t *testing.T) {
	for _, f := range append(forms, form{name: "waiting"}) {
		t.Run(f.name, func(t *testing.T) {
			l := open(t, esock.Local, esock.Stream, esock.Default)
			require.NoError(t, l.Bind(esock.UnixAddr("")))
			require.NoError(t, l.Listen(0))
			addr, mb := sockName(t, l), esock.NewMailbox()
			w := esock.Forever
			if f.wait != nil {
				w = f.wait(mb)
			}
			require.NoError(t, open(t, esock.Local, esock.Stream, esock.Default).Connect(addr, w))
			s := open(t, esock.Local, esock.Stream, esock.Default)
			require.ErrorIs(t, s.Connect(addr, w), syscall.EAGAIN)
			assert.NotContains(t, s.Info().WStates, "connecting")
			assert.Zero(t, mb.Len())
			a, err := l.Accept(esock.Forever)
			require.NoError(t, err)
			closeAtEnd(t, a)
			assert.NoError(t, s.Connect(addr, w), "with room it works, on the same socket")
		})
	}
}

func TestUDPReconnectAndDissolve(t *testing.T) {
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	p1, a1 := udp(t)
	p2, a2 := udp(t)
	require.NoError(t, s.Connect(a1, esock.Forever))
	send(t, s, "one")
	assert.Equal(t, "one", recv(t, p1))
	source := sockName(t, s)
	require.NoError(t, s.Connect(a2, esock.Forever), "another peer")
	send(t, s, "two")
	assert.Equal(t, "two", recv(t, p2))
	assert.Equal(t, source, sockName(t, s), "Linux keeps the source")
	require.NoError(t, s.Connect(esock.RawAddr(esock.Unspec, nil), esock.Forever), "dissolved")
	_, err := s.PeerName()
	assert.ErrorIs(t, err, syscall.ENOTCONN)
	_, err = s.Send([]byte("x"), 0, esock.Forever)
	assert.ErrorIs(t, err, syscall.EDESTADDRREQ)
}
