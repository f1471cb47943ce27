package tests

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

func TestNativeOptionsTakeBytesIntegersAndBooleans(t *testing.T) {
	s := tcp4(t)
	for _, v := range []any{true, 1, int8(1), 1.0, binary.NativeEndian.AppendUint32(nil, 1)} {
		require.NoError(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, false))
		require.NoError(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, v))
		on, err := s.GetOptionNativeInt(syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
		require.NoError(t, err)
		assert.NotZero(t, on, "%T", v)
	}
	require.NoError(t, s.SetOptionNative(6, 13, "reno"))
	buf := make([]byte, 100)
	n, err := s.GetOptionNative(6, 13, buf)
	require.NoError(t, err)
	assert.Equal(t, 16, n, "Linux hands out all of the name's array")
	assert.Equal(t, "reno\x00", string(buf[:5]))
	n, err = s.GetOptionNative(6, 13, buf[:2])
	require.NoError(t, err)
	assert.Equal(t, 2, n, "never more than there is room for")

	n, err = s.GetOptionNative(6, 13, nil)
	assert.NoError(t, err, "Linux has nothing to write")
	assert.Zero(t, n)
	_, err = s.GetOptionNative(6, 9999, buf)
	assert.ErrorIs(t, err, syscall.ENOPROTOOPT)
	assert.ErrorIs(t, s.SetOptionNative(6, 9999, 1), syscall.ENOPROTOOPT)
	assert.ErrorIs(t, s.SetOptionNative(6, 1, []byte{1}), syscall.EINVAL)
	assert.ErrorIs(t, s.SetOptionNative(6, 1, nil), &esock.InvalidError{What: "value"})
}

// A size that cannot be meant is refused before the kernel is asked.
func TestAbsurdNativeSizeIsRefusedAtOnce(t *testing.T) {
	s := tcp4(t)
	_, err := s.GetOptionNative(6, 9999, make([]byte, 1<<20+1))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "value_spec"})
	assert.NotErrorIs(t, err, syscall.ENOPROTOOPT, "which is what the kernel would say")
}
