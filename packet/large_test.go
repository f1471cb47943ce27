//go:build amd64 || arm64

package packet

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// No packet is larger than 2^31-1 bytes, even if all of it is there. The test does not touch the memory.
func TestMoreThan2GiBIsInvalid(t *testing.T) {
	b, err := syscall.Mmap(-1, 0, 1<<31+4096, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Munmap(b)) }()
	binary.BigEndian.PutUint32(b, 1<<31-5)
	p, n, err := Decode(Len4, b, Options{})
	require.NoError(t, err)
	assert.Equal(t, 1<<31-1, n)
	assert.Len(t, p.Data(), 1<<31-5)
	binary.BigEndian.PutUint32(b, 1<<31-4)
	_, _, err = Decode(Len4, b, Options{})
	assert.ErrorIs(t, err, ErrInvalid)
}
