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
