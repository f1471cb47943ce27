package engine_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/testwait"
)

// freed counts how many queues are freed.
func freed(t *testing.T) func() int64 {
	var n atomic.Int64
	real := loopcall.Free
	loopcall.Free = func(q unsafe.Pointer) int {
		r := real(q)
		n.Add(1)
		return r
	}
	t.Cleanup(func() { loopcall.Free = real })
	return n.Load
}

// A loop that is forgotten before Run is freed, also with sockets and timers, and one that has ended is freed once.
func TestAForgottenLoopIsFreed(t *testing.T) {
	count := freed(t)
	func() {
		_, err := engine.New()
		require.NoError(t, err)
		_, err = engine.Sharded(2)
		require.NoError(t, err)
		l, err := engine.New()
		require.NoError(t, err)
		s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.Registered(false))
		require.NoError(t, err)
		require.NoError(t, s.Bind(esock.Loopback))
		require.NoError(t, s.Listen(1))
		require.NoError(t, l.Serve(s, echo))
		after(t, l, 0, func() {})
		require.True(t, l.Post(func() {}))
	}()
	testwait.Until(t, "the end of the forgotten", func() bool { runtime.GC(); return count() == 4 })
	l, err := engine.New()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.EqualValues(t, 5, count())
	l = nil
	for range 3 {
		runtime.GC()
	}
	require.EqualValues(t, 5, count())
}

// A loop whose listener the program still has, or the registry, is not forgotten.
func TestALoopIsKeptByItsSockets(t *testing.T) {
	count := freed(t)
	s, _ := listen(t)
	func() {
		l, err := engine.New()
		require.NoError(t, err)
		require.NoError(t, l.Serve(s, echo))
	}()
	for range 3 {
		runtime.GC()
	}
	require.Zero(t, count())
	_, err := s.Accept(esock.Within(0))
	require.ErrorIs(t, err, esock.ErrState)
	require.NoError(t, s.Close())
	testwait.Until(t, "the end of the forgotten", func() bool { runtime.GC(); return count() == 1 })
}
