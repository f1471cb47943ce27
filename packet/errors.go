package packet

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrMore says that the bytes are the beginning of a packet. OTP: {more, Length}.
var ErrMore = errors.New("packet: incomplete")

// ErrInvalid says that the bytes are not a packet of the type, or one that is larger than allowed. errors.Is also finds
// syscall.EMSGSIZE, which gen_tcp answers then. OTP: {error, invalid}.
var ErrInvalid error = sizeError("packet: invalid or too large")

// ErrTooLong says that a packet does not fit into the length field of its type. errors.Is also finds syscall.EMSGSIZE.
var ErrTooLong error = sizeError("packet: too long for its header")

type sizeError string

func (e sizeError) Error() string        { return string(e) }
func (e sizeError) Is(target error) bool { return target == syscall.EMSGSIZE }

// ArgumentError says that a type or an option is wrong. It stands for OTP's badarg; errors.Is finds syscall.EINVAL.
type ArgumentError struct {
	What  string // "type", "line_delimiter", "length", "reader", "parser", "decoder"
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
