package plain

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSound(t *testing.T) {
	for _, err := range []error{nil, io.EOF, &net.OpError{Err: io.EOF}, errors.Join(io.EOF, io.ErrClosedPipe), fmt.Errorf("a: %w", io.EOF)} {
		assert.Equal(t, err, Sound("it", err))
	}
	var missing *net.OpError
	for _, err := range []error{missing, fmt.Errorf("a: %w", missing), errors.Join(io.EOF, missing), &net.OpError{Err: missing}} {
		assert.EqualError(t, Sound("it", err), "it has a nil *net.OpError as its error")
	}
}
