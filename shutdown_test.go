package esock

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What one Shutdown has done, and what a receive has found out, is not taken back by another that fails.
func TestShutdownThatFailsTakesBackItsOwnNote(t *testing.T) {
	a, _ := pair(t, Stream)
	require.NoError(t, a.Shutdown(ShutWrite))
	a.facts.Or(factShutRead)
	a.notShut(factShutRead | factShutWrite) // as a ShutReadWrite that the kernel refuses
	assert.Equal(t, factShutWrite, a.facts.Load()&(factShutRead|factShutWrite))
	require.NoError(t, a.Shutdown(ShutRead))
	a.notShut(factShutRead | factShutWrite)
	assert.Equal(t, factShutRead|factShutWrite, a.facts.Load()&(factShutRead|factShutWrite))

	s, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer s.Close()
	assert.ErrorIs(t, s.Shutdown(ShutReadWrite), syscall.ENOTCONN)
	assert.Zero(t, s.facts.Load()&(factShutRead|factShutWrite))
}

// Shutdown leaves a note for a call that is about to wait.
func TestShutdownIsNoted(t *testing.T) {
	for how, want := range map[How]uint64{ShutRead: stNote(reading), ShutWrite: stNote(writing), ShutReadWrite: stNote(reading) | stNote(writing)} {
		s, _ := pair(t, Stream)
		require.NoError(t, s.Shutdown(how))
		assert.Equal(t, want, s.state.Load()&(stNote(reading)|stNote(writing)), "%v", how)
	}
}

// A listener of TCP has no end of writing: Shutdown(ShutWrite) does nothing to it, in the kernel and in Info. One of a unix
// socket has.
func TestShutdownOfAListenersWriting(t *testing.T) {
	tcp, _ := listener(t)
	require.NoError(t, tcp.Shutdown(ShutWrite))
	unix := open(t, Local, Stream)
	require.NoError(t, unix.Bind(UnixAddr("")))
	require.NoError(t, unix.Listen(1))
	require.NoError(t, unix.Shutdown(ShutWrite))
	for s, writable := range map[*Socket]bool{tcp: true, unix: false} {
		assert.Equal(t, writable, s.Info().Writable, s.Domain())
		assert.True(t, s.Info().Readable)
	}
	_, err := tcp.Send([]byte{1}, 0, Forever)
	assert.ErrorIs(t, err, syscall.EPIPE)
	assert.ErrorContains(t, err, "the socket listens")
	client := open(t, Inet, Stream)
	at, err := tcp.SockName()
	require.NoError(t, err)
	require.NoError(t, client.Connect(at, Forever))
	c, err := tcp.Accept(Forever)
	require.NoError(t, err)
	require.NoError(t, c.Close())

	require.NoError(t, tcp.Shutdown(ShutReadWrite))
	assert.Equal(t, [2]bool{false, true}, [2]bool{tcp.Info().Readable, tcp.Info().Writable})
}
