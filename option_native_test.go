package esock

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNativeSizesAreRefusedAtOnce(t *testing.T) {
	s := new(Socket)
	// A size is the length of a slice: it cannot be negative, as it can in OTP, but it can be too large.
	_, err := s.GetOptionNative(6, 13, make([]byte, nativeOptionMax+1))
	assert.ErrorIs(t, err, &InvalidError{What: "value_spec"})
	for _, v := range []any{nil, 1.5, int64(math.MaxInt32 + 1), []int{1}, make([]byte, nativeOptionMax+1)} {
		assert.ErrorIs(t, s.SetOptionNative(6, 1, v), &InvalidError{What: "value"})
	}
	if tooLong := int64(math.MaxInt32 + 1); int64(int(tooLong)) == tooLong {
		_, err = s.GetOptionNative(int(tooLong), 1, nil)
		assert.ErrorIs(t, err, &InvalidError{What: "value_spec"})
		assert.ErrorIs(t, s.SetOptionNative(6, int(-1-tooLong), 1), &InvalidError{What: "value"})
	}
}
