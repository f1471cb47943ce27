package packet

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrMore reports that the bytes are the beginning of a packet. OTP: {more, Length}.
var ErrMore = errors.New("packet: incomplete")

// ErrInvalid reports that the bytes are not a packet of the type, or that the packet is larger than allowed. errors.Is also
// finds syscall.EMSGSIZE, gen_tcp's error for it. OTP: {error, invalid}.
var ErrInvalid error = sizeError("packet: invalid or too large")

// ErrTooLong reports that the length of a packet does not fit into its header. errors.Is also finds syscall.EMSGSIZE.
var ErrTooLong error = sizeError("packet: too long for its header")

type sizeError string

func (e sizeError) Error() string        { return string(e) }
func (e sizeError) Is(target error) bool { return target == syscall.EMSGSIZE }

// ArgumentError reports an invalid argument. errors.Is finds syscall.EINVAL. OTP: badarg.
type ArgumentError struct {
	What  string // "type", "packet_size", "line_length", "line_delimiter", "length", "reader", "parser", "decoder", "kind", "uri_kind"
	Value any    // the value; nil: a nil pointer or interface
	Cause string // why, where What and Value do not show it
}

func (e *ArgumentError) Error() string {
	if e == nil {
		return "packet: no error"
	}
	text := fmt.Sprintf("packet: bad %s %v", e.What, e.Value)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	return text
}

// Is reports whether target is syscall.EINVAL.
func (e *ArgumentError) Is(target error) bool { return target == syscall.EINVAL }
